import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest } from '../plan/evidence.ts'

export interface ReadOptions {
  readonly signal?: AbortSignal
}

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
  /** Collects what the planner asked for. What cannot be known is left out; the planner takes it as unknown. */
  collectEvidence(request: EvidenceRequest, options?: ReadOptions): Promise<Evidence>
}
