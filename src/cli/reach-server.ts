import { setTimeout as sleep } from 'node:timers/promises'

import { Client, type ClientConfig } from 'pg'
import { explainConnectionFailure, isUnanswered } from './connection-error.ts'
import type { TlsChoice } from './connection-tls.ts'
import type { ConnectionTarget } from './connection.ts'
import type { ServerSockets } from './server-sockets.ts'

const farewellMs = 1_000

/**
 * Connects once, to find out whether the server can be reached and which of the permitted kinds of TLS it takes.
 *
 * Gives the options for a Pool or Client, complete with `ssl`, and with the sockets where they are given. Rejects with a `ConnectionFailedError` whose sentence says
 * why there is no connection and what to do, without the password.
 */
export async function reachServer(target: ConnectionTarget, sockets?: ServerSockets): Promise<ClientConfig> {
  const [first, second] = target.tls
  try {
    return await attempt(target, { ssl: first, sockets })
  } catch (error) {
    if (second === undefined || !mayDifferWith(error)) throw explainConnectionFailure(error, target)
    return await attempt(target, { ssl: second, sockets }).catch((secondError: unknown) => {
      // A try with TLS that failed may only say that there is none; without it, a try came as far as the login.
      const saysMore =
        sqlState(secondError) !== undefined || (first !== false && sqlState(error) === undefined)
      throw explainConnectionFailure(saysMore ? secondError : error, target)
    })
  }
}

async function attempt(
  target: ConnectionTarget,
  { ssl, sockets }: { readonly ssl: TlsChoice; readonly sockets: ServerSockets | undefined },
): Promise<ClientConfig> {
  const options: ClientConfig = { ...target.options, ssl, ...(sockets && { stream: sockets.make }) }
  const client = new Client(options)
  // An error after the one that `connect` reports would otherwise end the process.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return options
  } finally {
    // Its end comes from the server, and may never come.
    await Promise.race([client.end().catch(() => undefined), sleep(farewellMs, undefined, { ref: false })])
  }
}

/** Whether the other kind of connection may succeed: not where nobody answered, or where the answer was about the login. */
function mayDifferWith(error: unknown): boolean {
  const state = sqlState(error)
  // invalid_authorization_specification: pg_hba.conf has no line for this kind of connection.
  if (state !== undefined) return state === '28000'
  return !isUnanswered(error)
}

function sqlState(error: unknown): string | undefined {
  const code = codeOf(error)
  return typeof code === 'string' &&
    /^[\dA-Z]{5}$/.test(code) &&
    error instanceof Error &&
    'severity' in error
    ? code
    : undefined
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
