import type { Evidence } from './evidence.ts'

/** What reading a table under a lock costs those who wait for the lock. */
export interface ScanPrice {
  readonly bytes: number
  /**
   * At half a GiB in a second: what a server does that has the pages in memory and something else to do; from disk it
   * is more.
   */
  readonly estimatedMs: number
}

const bytesPerMs = 524_288

/**
 * The price of attaching a partition beside DEFAULT.
 *
 * ATTACH reads all of DEFAULT to see that no row belongs into the new partition, and without an index on the key the
 * tool's own look for such rows reads it a second time. Nothing where the size is not known.
 */
export function priceBesideDefault({ defaultScan }: Evidence): ScanPrice | undefined {
  if (!defaultScan) return undefined
  const bytes = defaultScan.bytes * (defaultScan.keyIndexed ? 1 : 2)
  return { bytes, estimatedMs: priceOfScan(bytes) }
}

/** Rows with a key and an index more, moved from table to table in one transaction. */
const movedRowsPerMs = 250

/** How long it takes to move as many rows out of DEFAULT. */
export function priceOfMove(rows: number): number {
  return Math.ceil(rows / movedRowsPerMs)
}

/** How long it takes to read as much. */
export function priceOfScan(bytes: number): number {
  return Math.ceil(bytes / bytesPerMs)
}
