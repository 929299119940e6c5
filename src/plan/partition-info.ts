import type { Period } from '../model/calendar.ts'
import type { RelationKind } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'

/** One partition as `inspect` and the hooks show it. */
export interface PartitionInfo {
  readonly schema: string
  readonly name: string
  readonly parent: TableName
  /** Undefined while the table does not exist yet. */
  readonly oid: string | undefined
  readonly kind: RelationKind
  readonly state: PartitionState
  /** As PostgreSQL prints it; undefined for a detached table whose bound is not known. */
  readonly boundText: string | undefined
  /** The period of the calendar that it is, or lies in; undefined where it is not managed. */
  readonly period: Period | undefined
  /** Whether the tool may retire it: attached with aligned bounds, or detached and marked by it. */
  readonly managed: boolean
  /** By the last statistics (ANALYZE, VACUUM); undefined while there are none. */
  readonly rowEstimate: number | undefined
  /** Of the heap alone, without indexes and TOAST, by the last statistics; undefined while there are none. */
  readonly sizeBytes: number | undefined
  /** When it was detached, by the server's clock, ISO. */
  readonly detachedAt: string | undefined
}

/** `missing`: wanted and not there yet. `current` holds now. `expired` is past the retention horizon. */
export type PartitionState =
  | 'missing'
  | 'expired'
  | 'past'
  | 'current'
  | 'future'
  | 'default'
  | 'unmanaged'
  | 'detach-pending'
  | 'detached'
  | 'half-built'
