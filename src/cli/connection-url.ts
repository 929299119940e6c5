import { InvalidPartitionConfigError } from '../index.ts'

/** The connection parameters of PostgreSQL's own client library that have a meaning here. */
export const parameterNames = [
  'host',
  'hostaddr',
  'port',
  'dbname',
  'user',
  'password',
  'passfile',
  'service',
  'options',
  'application_name',
  'connect_timeout',
  'keepalives',
  'keepalives_idle',
  'sslmode',
  'sslnegotiation',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'sslpassword',
  'sslcrl',
  'ssl_min_protocol_version',
  'ssl_max_protocol_version',
  'channel_binding',
] as const

export type ParameterName = (typeof parameterNames)[number]
export type Parameters = Readonly<Partial<Record<ParameterName, string>>>

/** Asks for something that is so here anyway, or that makes no difference to one session on one host. */
const harmless: ReadonlySet<string> = new Set([
  'client_encoding',
  'fallback_application_name',
  'gssdelegation',
  'gsslib',
  'keepalives_count',
  'keepalives_interval',
  'krbsrvname',
  'load_balance_hosts',
  'max_protocol_version',
  'min_protocol_version',
  'sslcertmode',
  'sslcompression',
  'sslsni',
  'target_session_attrs',
  'tcp_user_timeout',
  'uselibpqcompat',
])

/**
 * Takes a `postgres://` URL apart, by libpq's rules.
 *
 * Throws an `InvalidPartitionConfigError` whose sentence begins with `source` and shows nothing of the URL but names of
 * parameters: where it cannot be read, any part of it may be the password.
 */
export function parseConnectionUrl(text: string, source: string): Parameters {
  const url = text.trim()
  const refuse = (message: string): never => {
    throw new InvalidPartitionConfigError(`${source}: ${message}`)
  }
  const decode = (part: string): string => {
    try {
      return decodeURIComponent(part)
    } catch {
      return refuse(
        'the URL has a % that does not begin an encoded character. Write %25 for the % sign itself, and encode what is not plain in a password.',
      )
    }
  }
  if (url === '') refuse('it is empty. Give a URL such as postgres://user@host:5432/name.')
  const scheme = /^([a-z][a-z\d+.-]*):\/\//i.exec(url)?.[1]
  if (scheme === undefined) refuse('it is not a URL. Give one such as postgres://user@host:5432/name.')
  if (scheme !== 'postgres' && scheme !== 'postgresql') {
    refuse(`the URL begins with ${scheme}:// and has to begin with postgres:// or postgresql://.`)
  }
  const {
    authority = '',
    path = '',
    query = '',
  } = /:\/\/(?<authority>[^/?]*)(?<path>\/[^?]*)?(?:\?(?<query>.*))?$/s.exec(url)?.groups ?? {}
  // An @ that was not encoded belongs to the password: the last one ends it.
  const end = authority.lastIndexOf('@')
  const [user = '', ...password] = end < 0 ? [] : authority.slice(0, end).split(':')
  const place = /^(?<host>\[[^\]]*\]|[^:]*)(?::(?<port>.*))?$/s.exec(authority.slice(end + 1))?.groups
  const { host = '', port = '' } = place ?? {}
  if (place === undefined || !/^\d*$/.test(port)) {
    refuse(
      'the URL has no number after the colon of its host. Characters such as / ? # @ : % in a password have to be percent-encoded.',
    )
  }
  // Otherwise the rest of a password would be sent to the wrong host, and shown, as the name of a database.
  if (/[@/]/.test(path.slice(1))) {
    refuse(
      'there is an @ or a / in the name of the database. Percent-encode it there, or in the password where it belongs.',
    )
  }
  const parameters: Record<string, string> = {}
  const give = (name: string, value: string): void => {
    if (value !== '') parameters[name] = value
  }
  give('host', decode(host.replace(/^\[(.*)\]$/s, '$1')))
  give('port', port)
  give('user', decode(user))
  give('password', decode(password.join(':')))
  give('dbname', decode(path.slice(1)))
  for (const { name, value } of queryEntries(query, { decode, refuse })) give(name, value)
  return parameters
}

interface Reader {
  readonly decode: (part: string) => string
  readonly refuse: (message: string) => never
}

function queryEntries(
  query: string,
  { decode, refuse }: Reader,
): readonly { readonly name: ParameterName; readonly value: string }[] {
  const seen = new Set<string>()
  return query.split('&').flatMap((entry) => {
    if (entry === '') return []
    const [rawName = '', ...rest] = entry.split('=')
    const name = decode(rawName)
    const value = decode(rest.join('='))
    if (seen.has(name)) refuse(`the URL gives ${shown(name)} twice.`)
    seen.add(name)
    if (harmless.has(name)) return []
    // As JDBC writes it; libpq reads it so too.
    if (name === 'ssl' && value === 'true') return [{ name: 'sslmode' as const, value: 'require' }]
    const known = parameterNames.find((candidate) => candidate === name)
    if (known === undefined) {
      return refuse(
        `the URL has a parameter ${shown(name)} that is not known here. Remove it, or correct it to one of ${parameterNames.join(', ')}.`,
      )
    }
    return [{ name: known, value }]
  })
}

/** A word of a name's shape is shown; anything else might be the rest of a password with a ? in it. */
function shown(name: string): string {
  return /^[a-z_]{1,40}$/i.test(name) ? name : '(not shown)'
}
