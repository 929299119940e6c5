import type { QueryResult } from '../client.ts'

/** The rows of a driver's result; none for a statement that has none. */
export function rowsOf(result: unknown): QueryResult['rows'] {
  const rows: unknown =
    typeof result === 'object' && result !== null && 'rows' in result ? result.rows : undefined
  return isRows(rows) ? rows : []
}

function isRows(rows: unknown): rows is QueryResult['rows'] {
  return Array.isArray(rows)
}
