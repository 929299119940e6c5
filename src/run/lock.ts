import type { TableName } from '../model/table-name.ts'

/** A lock that is held. It is disposable: `await using lease = await locks.acquireLock(table)`. */
export interface LockLease extends AsyncDisposable {
  /** What is locked, as the lock manager names it, for logs. */
  readonly key: string
  /** Aborts with a `LockLostError` as its reason as soon as the lock is, or may be, lost. */
  readonly signal: AbortSignal
  /** A number that grows with every acquisition of this key, where the lock manager has one (Redis). */
  readonly fencingToken?: bigint
  /**
   * Resolves when the lock is certainly still held, else rejects with a `LockLostError`. Called before every change; where
   * no hook was called and nothing is taken out of reach, what it said 100 ms ago or later is enough.
   */
  assertHeld(): Promise<void>
  /** Releases the lock. Never throws, and does nothing the second time. */
  release(): Promise<void>
}

/**
 * Mutual exclusion of maintainers, one lock per table.
 *
 * The library works without a lock, as every destructive statement looks again under a lock of the table itself; the
 * lock keeps two maintainers from doing the same work and from reporting each other's races.
 */
export interface LockManager {
  /** Takes the lock without waiting, else rejects with a `LockAcquisitionError` that names the holder where it can. */
  acquireLock(table: TableName, options?: { readonly signal?: AbortSignal }): Promise<LockLease>
  /** Whether anybody holds the lock of this table now. */
  isLocked(table: TableName): Promise<boolean>
}
