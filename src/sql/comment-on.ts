import type { TableName } from '../model/table-name.ts'
import { onlyIf } from './only-if.ts'
import { literal, qualified, sql } from './sql.ts'
import type { Action } from './statement.ts'
import { execute } from './statement.ts'

/** Writes a table's comment, and has the transaction fail where another table has got it than the one with the OID. */
export function commentOn(table: TableName, oid: string, text: string | null): readonly Action[] {
  // An empty comment is none.
  const kept = literal(text === '' ? null : text)
  return [
    execute(sql`COMMENT ON TABLE ${qualified(table)} IS ${literal(text)}`),
    onlyIf(sql`obj_description(${literal(oid)}::oid, 'pg_class') IS NOT DISTINCT FROM ${kept}`),
  ]
}
