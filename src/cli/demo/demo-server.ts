import { randomBytes } from 'node:crypto'
import type { ClientConfig } from 'pg'
import { CommandError } from '../command-error.ts'
import type { CommandIo } from '../command-io.ts'
import { findConnection } from '../connection.ts'
import type { DatabaseIdentity } from '../database-identity.ts'
import { EmbeddedServerError } from '../embedded/embedded-server-error.ts'
import { startEmbeddedServer } from '../embedded/server.ts'
import { reachServer } from '../reach-server.ts'

/** Where the demonstration takes place. */
export interface DemoServer {
  readonly options: ClientConfig
  /** For people, without a password. */
  readonly name: string
  readonly database: DatabaseIdentity
  /** Needs no quotes. */
  readonly schema: string
  /** Passwords, for `hidePasswords`. */
  readonly secrets: readonly string[]
  stop(): Promise<void>
}

/** The server of the URL, or one that is started for this and gone afterwards. Throws a `CommandError` without one. */
export async function demoServer(url: string | undefined, io: CommandIo): Promise<DemoServer> {
  if (url !== undefined) {
    const target = await findConnection({ url, env: io.env })
    return {
      options: await reachServer(target),
      name: target.name,
      database: target.database,
      schema: `partsmith_demo_${randomBytes(4).toString('hex')}`,
      secrets: target.secrets,
      stop: async () => undefined,
    }
  }
  try {
    const server = await startEmbeddedServer({ signal: io.signal })
    return {
      options: { connectionString: server.url },
      name: `PostgreSQL ${server.major} on ${server.host}:${server.port}`,
      database: { name: 'postgres', host: server.host, port: server.port, user: server.user },
      schema: 'app',
      secrets: [],
      stop: () => server.stop(),
    }
  } catch (cause) {
    if (!(cause instanceof EmbeddedServerError)) throw cause
    const missing = cause.code === 'embedded-binaries-missing'
    throw new CommandError(
      `${cause.message}${missing ? ' Here that is `pg-partsmith demo --url postgres://..`; it works in a schema of its own and drops it.' : ''}`,
      { exitCode: missing ? 4 : 5, code: cause.code, cause },
    )
  }
}
