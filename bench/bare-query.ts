/** The least that any tool has to ask: the partitions of tables, with their bounds, in one statement. */

import type { Pool, PoolClient } from 'pg'

/** $1 OIDs of the tables. */
const listPartitions = `
SELECT i.inhparent::text AS parent, c.oid::text, n.nspname::text AS schema, c.relname::text AS name,
       pg_get_expr(c.relpartbound, 0) AS bound, i.inhdetachpending::text AS pending
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE i.inhparent = ANY($1::oid[])`

/** The OIDs of tables of `public`. */
export async function oidsOf(pool: Pool, tables: readonly string[]): Promise<readonly string[]> {
  const { rows } = await pool.query<{ oid: string }>(
    'SELECT name::regclass::oid::text AS oid FROM unnest($1::text[]) name',
    [tables],
  )
  return rows.map(({ oid }) => oid)
}

/** Asks once and throws where nothing came. */
export async function askBare(client: Pool | PoolClient, oids: readonly string[]): Promise<void> {
  const { rows } = await client.query(listPartitions, [oids])
  if (rows.length === 0) throw new Error('The bare query found no partition.')
}
