import type { LockLease } from './lock.ts'

/** So long the lock's own word counts. A connection that ends says so by itself; this is about one that went silent. */
const confirmedMs = 100

/** Asks a lease whether it is still held, and not again where it has just said so. */
export class HeldLease {
  readonly #lease: LockLease
  #confirmedAt: number

  /** To be made when the lock was taken. */
  constructor(lease: LockLease) {
    this.#lease = lease
    this.#confirmedAt = performance.now()
  }

  async assertHeld(): Promise<void> {
    await this.#lease.assertHeld()
    this.#confirmedAt = performance.now()
  }

  async assertHeldLately(): Promise<void> {
    this.#lease.signal.throwIfAborted()
    if (performance.now() - this.#confirmedAt >= confirmedMs) await this.assertHeld()
  }
}
