import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'
import { InvalidPartitionConfigError } from '../index.ts'
import { type ParameterName, type Parameters, parameterNames } from './connection-url.ts'

/** The variables of a process, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

const variables: Readonly<Record<string, ParameterName>> = {
  PGHOST: 'host',
  PGHOSTADDR: 'hostaddr',
  PGPORT: 'port',
  PGDATABASE: 'dbname',
  PGUSER: 'user',
  PGPASSWORD: 'password',
  PGPASSFILE: 'passfile',
  PGSERVICE: 'service',
  PGOPTIONS: 'options',
  PGAPPNAME: 'application_name',
  PGCONNECT_TIMEOUT: 'connect_timeout',
  PGSSLMODE: 'sslmode',
  PGSSLNEGOTIATION: 'sslnegotiation',
  PGSSLROOTCERT: 'sslrootcert',
  PGSSLCERT: 'sslcert',
  PGSSLKEY: 'sslkey',
  PGSSLCRL: 'sslcrl',
  PGSSLMINPROTOCOLVERSION: 'ssl_min_protocol_version',
  PGSSLMAXPROTOCOLVERSION: 'ssl_max_protocol_version',
  PGCHANNELBINDING: 'channel_binding',
}

/** Reads the `PG*` variables; one that is empty counts as not set. */
export function environmentParameters(env: Environment): Parameters {
  const found: Partial<Record<ParameterName, string>> = {}
  for (const [variable, name] of Object.entries(variables)) {
    const value = env[variable]
    if (value !== undefined && value !== '') found[name] = value
  }
  return found
}

/** Whether the `PG*` variables say where to connect to; the others only fill in what a URL leaves out. */
export function namesTarget({ host, hostaddr, dbname, service }: Parameters): boolean {
  return [host, hostaddr, dbname, service].some((value) => value !== undefined)
}

/** Reads the parameters of one service from `pg_service.conf`. */
export async function serviceParameters(service: string, env: Environment): Promise<Parameters> {
  const file = env['PGSERVICEFILE'] ?? join(home(env), '.pg_service.conf')
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new InvalidPartitionConfigError(
      `The service ${service} is looked up in ${file}, which cannot be read. Set PGSERVICEFILE, or unset PGSERVICE.`,
      { cause },
    )
  })
  const parameters: Partial<Record<ParameterName, string>> = {}
  let section: string | undefined
  let found = false
  for (const line of text.split('\n').map((raw) => raw.trim())) {
    const header = /^\[(.*)\]$/.exec(line)?.[1]
    if (header !== undefined) section = header
    found ||= section === service
    const [key = '', ...value] = line.split('=')
    const name = parameterNames.find((candidate) => candidate === key.trim())
    if (section === service && name !== undefined) parameters[name] = value.join('=').trim()
  }
  if (found) return parameters
  throw new InvalidPartitionConfigError(`There is no service [${service}] in ${file}.`)
}

/** A password from a password file, or why none could be taken from it. */
export interface PasswordLookup {
  readonly password?: string
  readonly note?: string
}

/** Looks for a password in `.pgpass` (or the given file), by libpq's rules: the first line that fits counts. */
export async function passwordFromFile(
  wanted: { readonly host: string; readonly port: number; readonly dbname: string; readonly user: string },
  { file, env }: { readonly file: string | undefined; readonly env: Environment },
): Promise<PasswordLookup> {
  const path = file ?? join(home(env), '.pgpass')
  const facts = await stat(path).catch(() => undefined)
  if (facts === undefined || !facts.isFile()) return {}
  if (process.platform !== 'win32' && (facts.mode & 0o077) !== 0) {
    return { note: `${path} was not used, because others may read it (chmod 600)` }
  }
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return { note: `${path} cannot be read` }
  // For a socket, libpq's files say localhost.
  const host = wanted.host.startsWith('/') ? 'localhost' : wanted.host
  const fields = [host, String(wanted.port), wanted.dbname, wanted.user]
  for (const line of text.split(/\r?\n/)) {
    const entry = line.startsWith('#') ? [] : splitFields(line)
    const password = entry[4]
    if (
      password !== undefined &&
      fields.every((field, index) => entry[index] === '*' || entry[index] === field)
    ) {
      return { password }
    }
  }
  return {}
}

/** Fields are divided by colons; a backslash takes the next character as it is. */
function splitFields(line: string): readonly string[] {
  const fields = ['']
  for (const [, escaped, character] of line.matchAll(/\\(.)|([^])/gu)) {
    if (character === ':' && fields.length < 5) fields.push('')
    else fields[fields.length - 1] += escaped ?? character ?? ''
  }
  return fields
}

/** Where a server of this machine is found without a host name: at its socket, where there is one. */
export function localHost(port: number): string {
  const directories = ['/var/run/postgresql', '/tmp']
  return directories.find((directory) => existsSync(join(directory, `.s.PGSQL.${port}`))) ?? 'localhost'
}

/** The name of the user of this process; undefined where the system does not know it. */
export function systemUser(): string | undefined {
  try {
    return userInfo().username
  } catch {
    return undefined
  }
}

export function home(env: Environment): string {
  return env['HOME'] ?? homedir()
}
