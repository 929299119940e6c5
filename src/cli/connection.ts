import { readFile } from 'node:fs/promises'
import type { ClientConfig } from 'pg'
import { InvalidPartitionConfigError } from '../index.ts'
import {
  type Environment,
  environmentParameters,
  localHost,
  namesTarget,
  passwordFromFile,
  serviceParameters,
  systemUser,
} from './connection-environment.ts'
import { type TlsChoice, tlsChoices } from './connection-tls.ts'
import { type Parameters, parseConnectionUrl } from './connection-url.ts'
import type { DatabaseIdentity } from './database-identity.ts'

/** Which database to connect to, and how; nothing has been connected yet. */
export interface ConnectionTarget {
  /** For people: `postgres://user@host:port/database`, never with a password. */
  readonly name: string
  readonly database: DatabaseIdentity
  /** Where it was read from: `--url`, `PG_PARTSMITH_URL`, `the PG* variables` .. */
  readonly source: string
  /** What a `pg` Client or Pool needs, without `ssl`. */
  readonly options: ClientConfig
  /** What to try as `ssl`, in order. */
  readonly tls: readonly [TlsChoice, TlsChoice?]
  /** Why a password file was not used, as the rest of a sentence. */
  readonly passwordNote: string | undefined
  /** Passwords, for `hidePasswords`. */
  readonly secrets: readonly string[]
}

export interface ConnectionSources {
  /** The value of `--url`. */
  readonly url?: string | undefined
  readonly env?: Environment
  /** `connection.url` of a configuration file, with the file's name. */
  readonly config?: { readonly url: string | undefined; readonly file: string } | undefined
}

/** In seconds; libpq would wait for ever. */
const defaultConnectTimeout = 10

/**
 * Finds out which database is meant: by `--url`, `PG_PARTSMITH_URL`, the file that `PG_PARTSMITH_URL_FILE` names, the
 * `PG*` variables, or the configuration, in that order.
 *
 * The first that there is decides; the `PG*` variables, a service file and `~/.pgpass` fill in what it leaves out, as they
 * do for psql. Throws an `InvalidPartitionConfigError` that says what is wrong and shows no part of a URL.
 */
export async function findConnection(sources: ConnectionSources): Promise<ConnectionTarget> {
  const env = sources.env ?? process.env
  const fromEnvironment = environmentParameters(env)
  const { source, given } = await chooseSource(sources, { env, fromEnvironment })
  const service = given.service ?? fromEnvironment.service
  const parameters: Parameters = {
    ...withoutStrayAddress(fromEnvironment, given),
    ...(service === undefined ? {} : await serviceParameters(service, env)),
    ...given,
  }
  return await targetOf(parameters, { source, env })
}

interface Source {
  readonly source: string
  readonly given: Parameters
}

async function chooseSource(
  { url, config }: ConnectionSources,
  { env, fromEnvironment }: { readonly env: Environment; readonly fromEnvironment: Parameters },
): Promise<Source> {
  if (url !== undefined) return fromUrl('--url', url)
  const variable = env['PG_PARTSMITH_URL']
  if (variable !== undefined && variable !== '') return fromUrl('PG_PARTSMITH_URL', variable)
  const file = env['PG_PARTSMITH_URL_FILE']
  if (file !== undefined && file !== '') {
    return fromUrl(`PG_PARTSMITH_URL_FILE (${file})`, await secretIn(file))
  }
  const variables: Source = { source: 'the PG* variables', given: {} }
  if (namesTarget(fromEnvironment)) return variables
  if (config?.url !== undefined) return fromUrl(`connection.url in ${config.file}`, config.url)
  if (Object.keys(fromEnvironment).length > 0) return variables
  throw new InvalidPartitionConfigError(
    'No database is given. Use --url, PG_PARTSMITH_URL, PG_PARTSMITH_URL_FILE, the PG* variables (PGHOST, PGDATABASE, ..) or connection.url in the configuration.',
  )
}

function fromUrl(source: string, text: string): Source {
  return { source, given: parseConnectionUrl(text, source) }
}

async function secretIn(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new InvalidPartitionConfigError(
      `PG_PARTSMITH_URL_FILE names ${file}, which cannot be read. Name a file that this user may read.`,
      { cause },
    )
  }
}

/** An address from the environment belongs to the host of the environment, not to one that a URL names. */
function withoutStrayAddress(fromEnvironment: Parameters, given: Parameters): Parameters {
  if (given.host === undefined || fromEnvironment.hostaddr === undefined) return fromEnvironment
  const { hostaddr: _stray, ...rest } = fromEnvironment
  return rest
}

async function targetOf(
  parameters: Parameters,
  { source, env }: { readonly source: string; readonly env: Environment },
): Promise<ConnectionTarget> {
  const port = wholeNumber('port', parameters.port, { from: 1, to: 65_535 }) ?? 5432
  const host = parameters.host ?? parameters.hostaddr ?? localHost(port)
  if (host.includes(',')) {
    throw new InvalidPartitionConfigError(
      `${source}: several hosts are given and one is needed: the primary.`,
    )
  }
  const user = parameters.user ?? systemUser()
  if (user === undefined) {
    throw new InvalidPartitionConfigError(
      `${source}: no user is given, and this process has no user name. Add one.`,
    )
  }
  const dbname = parameters.dbname ?? user
  const lookup =
    parameters.password === undefined
      ? await passwordFromFile({ host, port, dbname, user }, { file: parameters.passfile, env })
      : {}
  const password = parameters.password ?? lookup.password
  const secrets = [password, parameters.sslpassword].filter(
    // What is shown as a name anyway is no secret, and hiding it would hide the name.
    (secret): secret is string => secret !== undefined && ![host, user, dbname].includes(secret),
  )
  return {
    name: nameOf({ host, port, user, name: dbname }),
    database: { name: dbname, host, port, user },
    source,
    options: {
      host: parameters.hostaddr ?? host,
      port,
      user,
      database: dbname,
      ...(password === undefined ? {} : { password }),
      ...(parameters.options === undefined ? {} : { options: parameters.options }),
      application_name: parameters.application_name ?? 'pg-partsmith',
      connectionTimeoutMillis: 1_000 * connectTimeout(parameters),
      ...keepAlive(parameters),
      ...negotiation(parameters),
    },
    tls: await tlsChoices(parameters, { host, env }),
    passwordNote: lookup.note,
    secrets,
  }
}

/** 0 waits for ever. */
function connectTimeout({ connect_timeout: given }: Parameters): number {
  if (given?.startsWith('-') === true) return 0
  return wholeNumber('connect_timeout', given, { from: 0, to: 86_400 }) ?? defaultConnectTimeout
}

/** A run can wait long for a lock on a connection that says nothing meanwhile. */
function keepAlive(parameters: Parameters): ClientConfig {
  if (wholeNumber('keepalives', parameters.keepalives, { from: 0, to: 1 }) === 0) return { keepAlive: false }
  const idle = wholeNumber('keepalives_idle', parameters.keepalives_idle, { from: 0, to: 86_400 })
  return { keepAlive: true, keepAliveInitialDelayMillis: 1_000 * (idle ?? 60) }
}

function negotiation({ sslnegotiation = 'postgres', channel_binding = 'prefer' }: Parameters): ClientConfig {
  if (sslnegotiation !== 'postgres' && sslnegotiation !== 'direct') {
    throw new InvalidPartitionConfigError('sslnegotiation has to be postgres or direct.')
  }
  if (!['disable', 'prefer', 'require'].includes(channel_binding)) {
    throw new InvalidPartitionConfigError('channel_binding has to be disable, prefer or require.')
  }
  // The driver binds where the server offers it, and has no way to insist.
  return { sslnegotiation, enableChannelBinding: channel_binding !== 'disable' }
}

function wholeNumber(
  name: string,
  value: string | undefined,
  { from, to }: { readonly from: number; readonly to: number },
): number | undefined {
  if (value === undefined) return undefined
  const number = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN
  if (number >= from && number <= to) return number
  throw new InvalidPartitionConfigError(
    `${name} of the connection has to be a whole number from ${from} to ${to}.`,
  )
}

/** Renders where a connection goes, for people. */
function nameOf(target: DatabaseIdentity): string {
  const user = encodeURIComponent(target.user)
  const database = encodeURIComponent(target.name)
  if (target.host.startsWith('/')) {
    return `postgres://${user}@/${database}?host=${target.host}${target.port === 5432 ? '' : `&port=${target.port}`}`
  }
  const host = target.host.includes(':') ? `[${target.host}]` : target.host
  return `postgres://${user}@${host}:${target.port}/${database}`
}
