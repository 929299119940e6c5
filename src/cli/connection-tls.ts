import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { InvalidPartitionConfigError } from '../index.ts'
import { type Environment, home } from './connection-environment.ts'
import type { Parameters } from './connection-url.ts'

/** What `ssl` of a connection is: TLS as described, or none. */
export type TlsChoice = false | ConnectionOptions

const modes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const
type Mode = (typeof modes)[number]

/**
 * Gives what is tried, in order, by libpq's rules: one choice, or two for `prefer` (the default) and `allow`.
 *
 * `require` encrypts and verifies nothing, unless there is a root certificate: then it is `verify-ca`. Certificates in
 * `~/.postgresql` count where none are named. `sslrootcert=system` is the list of authorities that Node trusts.
 */
export async function tlsChoices(
  parameters: Parameters,
  { host, env }: { readonly host: string; readonly env: Environment },
): Promise<readonly [TlsChoice, TlsChoice?]> {
  const mode = modeOf(parameters)
  // Sockets of this machine are never encrypted.
  if (mode === 'disable' || host.startsWith('/')) return [false]
  const tls = await tlsOptions(parameters, { mode, host, env })
  if (mode === 'allow') return [false, tls]
  return mode === 'prefer' ? [tls, false] : [tls]
}

function modeOf({ sslmode, sslrootcert, sslnegotiation }: Parameters): Mode {
  const mode = modes.find(
    (known) => known === (sslmode ?? (sslrootcert === 'system' ? 'verify-full' : 'prefer')),
  )
  if (mode === undefined) {
    throw new InvalidPartitionConfigError(
      `sslmode is ${JSON.stringify(sslmode)} and has to be disable, allow, prefer, require, verify-ca or verify-full.`,
    )
  }
  if (sslrootcert === 'system' && mode !== 'verify-full') {
    throw new InvalidPartitionConfigError(
      `sslrootcert=system needs sslmode=verify-full, and sslmode is ${mode}: any site on the internet has a certificate of a public authority.`,
    )
  }
  if (sslnegotiation === 'direct' && (mode === 'disable' || mode === 'allow' || mode === 'prefer')) {
    throw new InvalidPartitionConfigError(
      `sslnegotiation=direct needs sslmode=require or stronger, and sslmode is ${mode}.`,
    )
  }
  return mode
}

async function tlsOptions(
  parameters: Parameters,
  { mode, host, env }: { readonly mode: Mode; readonly host: string; readonly env: Environment },
): Promise<ConnectionOptions> {
  const { sslrootcert } = parameters
  const system = sslrootcert === 'system'
  const ca = system
    ? undefined
    : await pem('sslrootcert', sslrootcert, join(home(env), '.postgresql', 'root.crt'))
  if (ca === undefined && !system && (mode === 'verify-ca' || mode === 'verify-full')) {
    throw new InvalidPartitionConfigError(
      `sslmode=${mode} needs a root certificate to verify the server with. Add sslrootcert=FILE, or sslrootcert=system with sslmode=verify-full for a server whose certificate comes from a public authority.`,
    )
  }
  const verifies = mode !== 'no-verify' && (ca !== undefined || system)
  return {
    rejectUnauthorized: verifies,
    ...(ca === undefined ? {} : { ca }),
    // The name counts for verify-full alone.
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    ...(await clientCertificate(parameters, env)),
    ...(await revocations(parameters, env)),
    ...versions(parameters),
    // With hostaddr the connection goes to a number, and the certificate is for the name all the same.
    ...(parameters.hostaddr === undefined ? {} : { host, servername: host }),
  }
}

async function clientCertificate(
  { sslcert, sslkey, sslpassword }: Parameters,
  env: Environment,
): Promise<ConnectionOptions> {
  const directory = join(home(env), '.postgresql')
  const cert = await pem('sslcert', sslcert, join(directory, 'postgresql.crt'))
  if (cert === undefined) return {}
  const key = await pem('sslkey', sslkey, join(directory, 'postgresql.key'))
  if (key === undefined) {
    throw new InvalidPartitionConfigError(
      'There is a client certificate (sslcert) without its key. Add sslkey=FILE.',
    )
  }
  return { cert, key, ...(sslpassword === undefined ? {} : { passphrase: sslpassword }) }
}

async function revocations({ sslcrl }: Parameters, env: Environment): Promise<ConnectionOptions> {
  const crl = await pem('sslcrl', sslcrl, join(home(env), '.postgresql', 'root.crl'))
  return crl === undefined ? {} : { crl }
}

function versions(parameters: Parameters): ConnectionOptions {
  const min = version('ssl_min_protocol_version', parameters.ssl_min_protocol_version)
  const max = version('ssl_max_protocol_version', parameters.ssl_max_protocol_version)
  return {
    ...(min === undefined ? {} : { minVersion: min }),
    ...(max === undefined ? {} : { maxVersion: max }),
  }
}

const protocols = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const

function version(name: string, value: string | undefined): (typeof protocols)[number] | undefined {
  const known = protocols.find((protocol) => protocol.toLowerCase() === value?.toLowerCase())
  if (value !== undefined && known === undefined) {
    throw new InvalidPartitionConfigError(
      `${name} is ${JSON.stringify(value)} and has to be one of ${protocols.join(', ')}.`,
    )
  }
  return known
}

/** Reads a file that was named, or one at its usual place; only the usual place may be empty. */
async function pem(name: string, named: string | undefined, usual: string): Promise<string | undefined> {
  try {
    return await readFile(named ?? usual, 'utf8')
  } catch (cause) {
    if (named === undefined) return undefined
    throw new InvalidPartitionConfigError(
      `${name} is ${named}, which cannot be read. Name a file that this user may read.`,
      {
        cause,
      },
    )
  }
}
