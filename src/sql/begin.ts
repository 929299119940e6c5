export interface TransactionMode {
  readonly isolation?: 'read committed' | 'repeatable read'
  readonly readOnly?: boolean
}

/**
 * The statement that begins a transaction, READ COMMITTED and as the server's default for writing unless told.
 *
 * The level is always named: a role's `default_transaction_isolation` would otherwise decide what a statement under a
 * lock sees, and at REPEATABLE READ it would not see the rows that were committed while it waited for the lock.
 */
export function beginText({ isolation = 'read committed', readOnly = false }: TransactionMode = {}): string {
  return `BEGIN ISOLATION LEVEL ${isolation.toUpperCase()}${readOnly ? ' READ ONLY' : ''}`
}
