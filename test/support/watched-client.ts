import type { DatabaseClient } from '../../src/index.ts'
import { fromPg } from '../../src/index.ts'
import type { TestDatabase } from './database.ts'
import { observedClient } from './observed-client.ts'

export interface WatchedClient {
  readonly client: DatabaseClient
  /** The statements that were sent; may be emptied. */
  readonly sent: string[]
  /** What the server said besides its answers, down to DEBUG1. */
  readonly notices: readonly string[]
}

/** A client of the database's pool that remembers what was sent, and what the server said about its proofs. */
export async function watchedClient(database: TestDatabase): Promise<WatchedClient> {
  const sent: string[] = []
  const notices: string[] = []
  await database.sql(`ALTER DATABASE ${database.name} SET client_min_messages = debug1`)
  const { pool } = database
  pool.on('connect', (client) => {
    client.on('notice', ({ message }) => notices.push(message ?? ''))
  })
  // Those that are open have the setting of before.
  await Promise.all(Array.from({ length: pool.totalCount }, async () => (await pool.connect()).release(true)))
  const client = observedClient(fromPg(pool), {
    beforeSending: ({ text }) => {
      sent.push(text)
    },
  })
  return { client, sent, notices }
}
