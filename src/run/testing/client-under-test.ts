import type { DatabaseClient, DatabaseConnection } from '../client.ts'
import { freshName } from './conformance-case.ts'

/** A requirement by its sentence; the check rejects when it is not met. */
export type ClientChecks = Readonly<Record<string, (client: DatabaseClient) => Promise<void>>>

/** A connection of the client, with what most checks need. */
export interface One {
  readonly query: DatabaseConnection['query']
  readonly pid: number
  /** A temporary table of one text column. */
  readonly table: string
  count(this: void): Promise<unknown>
}

export async function withOne(client: DatabaseClient, check: (one: One) => Promise<void>): Promise<void> {
  const connection = await client.connect()
  const query: One['query'] = (text, values) => connection.query(text, values)
  try {
    const table = freshName('conformance')
    await query(`CREATE TEMPORARY TABLE ${table} (value text)`)
    const count = async (): Promise<unknown> =>
      (await query(`SELECT count(*)::text AS count FROM ${table}`)).rows[0]?.['count']
    await check({ query, pid: await pidOf(connection), table, count })
    await query(`DROP TABLE ${table}`)
  } finally {
    await connection.release()
  }
}

export async function pidOf(connection: DatabaseConnection): Promise<number> {
  return Number((await connection.query('SELECT pg_backend_pid()::text AS pid')).rows[0]?.['pid'])
}
