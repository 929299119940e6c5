import type { Sql } from './sql.ts'
import { literal, sql } from './sql.ts'
import type { Action } from './statement.ts'
import { execute } from './statement.ts'

/** What the server's error has in it where a statement found another table under a name than was looked at. */
export const notMeant = 'pg-partsmith: another table has this name now'

/**
 * Has the transaction fail unless what it did shows on the table that was meant, by its OID.
 *
 * Every statement that changes a table finds it by name. A lock keeps a table from being renamed, but nothing keeps a
 * schema from being: ALTER SCHEMA .. RENAME takes no lock of the tables in it. So between the look and the statement all
 * of a schema can be swapped for another. A cast that fails is the one way to raise an error in plain SQL, and it needs no
 * message of its own: it goes with the COMMIT.
 */
export function onlyIf(condition: Sql): Action {
  return execute(meant(condition))
}

export function meant(condition: Sql): Sql {
  // The cast stands outside: inside, a constant would be read when the statement is planned, and always fail.
  return sql`SELECT (CASE WHEN ${condition} THEN '0' ELSE ${literal(notMeant)} END)::int AS meant`
}

export function isGone(oid: string): Sql {
  return sql`NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = ${literal(oid)}::oid)`
}

export function isDetached(oid: string): Sql {
  return sql`NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = ${literal(oid)}::oid)`
}

export function hasConstraint(oid: string, name: string): Sql {
  return sql`EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = ${literal(oid)}::oid AND k.conname = ${literal(name)})`
}

export function lacksConstraint(oid: string, name: string): Sql {
  return sql`NOT ${hasConstraint(oid, name)}`
}
