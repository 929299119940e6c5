import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import type { DefaultRowsAnswer, DefaultRowsQuestion } from '../plan/default-report.ts'
import type { Evidence, EvidenceRequest } from '../plan/evidence.ts'
import type { HoldersSeen } from './lock-holders.ts'

export interface ReadOptions {
  readonly signal?: AbortSignal
}

/** What was read of one table of several, or why it could not be. */
export type TreeReading = { readonly tree: PartitionTree } | { readonly error: unknown }

/** Is given what was read of each of several tables, with its place among them; must not throw. */
export type TakeReading = (reading: TreeReading, index: number) => void

/** Reads; never changes anything and takes no lock on a user's table. */
export interface PartitionMetadataProvider {
  /** Must equal the repository's, or the tables that it marks are never found again. */
  readonly markerPrefix: string
  /**
   * Reads everything that the catalog says about one partitioned table, and the server's clock, in one snapshot.
   *
   * Throws `PartitionNotFoundError` when there is no such table, `InvalidPartitionConfigError` when it is not
   * partitioned, `ServerUnsupportedError` when the server is too old.
   */
  readTree(table: TableName, options?: ReadOptions): Promise<PartitionTree>
  /**
   * Reads several tables at once, and gives the answer about each to `take`, in their order; a tree that was taken need
   * not be kept in memory. Throws where those that were not given yet cannot be read together.
   *
   * A provider without it has every table of a fleet read by itself.
   */
  readTrees?(tables: readonly TableName[], take: TakeReading, options?: ReadOptions): Promise<void>
  /**
   * Whether the table still has the partitions that it had when the tree was read, and the foreign keys in both
   * directions, by OID. Cheap, because it is asked with the lock of the table in hand.
   *
   * A provider without it has a table of a fleet read again under its lock.
   */
  hasSamePartitions?(tree: PartitionTree, options?: ReadOptions): Promise<boolean>
  /** Collects what the planner asked for. What cannot be known is left out; the planner takes it as unknown. */
  collectEvidence(request: EvidenceRequest, options?: ReadOptions): Promise<Evidence>
  /**
   * Collects what several plans need and can be known of all tables together, cheaply, one answer for each request in
   * their order; undefined where a table has to be looked at by itself, with `collectEvidence`.
   *
   * A provider without it has every table of a fleet looked at by itself.
   */
  collectTogether?(
    requests: readonly EvidenceRequest[],
    options?: ReadOptions,
  ): Promise<readonly (Evidence | undefined)[]>
  /**
   * Counts the rows of a DEFAULT partition for `inspect`; a sentence says why they could not be counted. Each statement
   * runs for at most `mostMs`.
   *
   * Without it `inspect` says nothing about them.
   */
  countDefaultRows?(
    question: DefaultRowsQuestion,
    options: ReadOptions & { readonly mostMs: number },
  ): Promise<DefaultRowsAnswer | string>
  /** Reads who holds locks on the tables, for `blockersOf`; without it nobody is ever seen to be in the way. */
  readLockHolders?(tables: readonly TableName[], options?: ReadOptions): Promise<HoldersSeen>
}
