import type { TableName } from '../model/table-name.ts'
import type { Hazard } from '../policy/hazard.ts'
import type { DetachMode } from '../policy/options.ts'
import { canonicalJson } from './canonical.ts'

/**
 * One step of a plan: a decision, not SQL. The statements are a pure function of the operation and of server facts,
 * used by `plan --sql` and by `apply` alike.
 */
export type Operation =
  | CreateOperation
  | AttachOperation
  | FinalizeOperation
  | DetachOperation
  | DropOperation
  | UnmarkOperation
  | ReadmitOperation

export type OperationKind = Operation['kind']

/** In the order in which they are told. */
export const operationKinds: readonly OperationKind[] = [
  'create',
  'attach',
  'finalize',
  'detach',
  'drop',
  'unmark',
  'readmit',
]

export type ReasonCode =
  | 'create-ahead'
  | 'explicit'
  | 'wanted-again'
  | 'detach-pending'
  | 'retention-expired'
  | 'follows-detach'
  | 'grace-elapsed'
  | 'half-built'
  | 'marker-left-behind'
  | 'check-left-behind'

export interface Reason {
  readonly code: ReasonCode
  /** A sentence with the figures that led to the decision. */
  readonly text: string
}

/** A lock that the operation takes, by relation and PostgreSQL's name of the mode. */
export interface LockUse {
  readonly relation: TableName
  readonly mode: LockMode
  readonly role: LockRole
  /** The partitioned table that it is below, at any level, where it is locked because that one is. */
  readonly partitionOf?: TableName
  /** What it means for those who use the table: `blocks reads and writes of app.events`. */
  readonly effect: string
}

/** What a locked table is to the operation; `referencing` and `referenced` are at the other ends of foreign keys. */
export type LockRole = 'parent' | 'default' | 'partition' | 'referencing' | 'referenced'

/** A table that is read while others wait for a lock of the operation. */
export interface ScanUse {
  readonly relation: TableName
  readonly bytes: number
  /** With the table in memory; from disk it takes longer. Of a detach it was measured, while planning and without a lock. */
  readonly estimatedMs: number
}

export type LockMode = 'ACCESS SHARE' | 'SHARE UPDATE EXCLUSIVE' | 'SHARE ROW EXCLUSIVE' | 'ACCESS EXCLUSIVE'

/** The range of a partition in the two literals of its bound, as they go into the DDL. */
export interface RangeText {
  readonly from: string
  readonly to: string
}

interface OperationBase {
  /** Unique within the plan: `create app.events__2026_01`. */
  readonly id: string
  readonly parent: TableName
  readonly partition: TableName
  readonly reason: Reason
  readonly hazards: readonly Hazard[]
  readonly locks: readonly LockUse[]
  readonly scans: readonly ScanUse[]
  /**
   * Of a detach or a drop: the size with indexes and TOAST, measured while planning. Where it could not be measured it is
   * that of the heap alone, by the last statistics of the table; absent where there are none.
   */
  readonly sizeBytes?: number
  /** As PostgreSQL's own planner estimates them; absent where the statistics do not say enough. */
  readonly rowEstimate?: number
}

/** Builds a standalone table like the parent and attaches it last. */
export interface CreateOperation extends OperationBase {
  readonly kind: 'create'
  readonly range: RangeText
  readonly key: string
  /** Rows of the range found in DEFAULT while planning; they are counted again, under lock, and moved. */
  readonly rowsInDefault: number
  readonly maxRowsFromDefault: number
  /** As the parent says, whatever the defaults of the session are; left out where it says nothing and they decide. */
  readonly accessMethod?: string
  readonly tablespace?: string
  /** Leaves all indexes to ATTACH, which would not take an exclusion constraint's and make a second one. */
  readonly attachBuildsIndexes?: true
  /**
   * Proves by a CHECK that DEFAULT holds nothing of the range: too large to be read under lock. It is validated before
   * this instant or not at all, because inserts of the range are refused meanwhile.
   */
  readonly excludesFromDefault?: { readonly before: string }
  /** The same parent, and the same DEFAULT or none. */
  readonly guard: ParentGuard
}

/** Attaches a detached table again; its marker goes in the same transaction. */
export interface AttachOperation extends OperationBase {
  readonly kind: 'attach'
  readonly range: RangeText
  readonly key: string
  readonly rowsInDefault: number
  readonly maxRowsFromDefault: number
  /** Proves its range by a CHECK while it stands alone; only an ordinary table can. */
  readonly provesRange: boolean
  readonly guard: ParentGuard & { readonly oid: string; readonly comment: string | null }
}

/** Finishes a concurrent detach that was cut short. */
export interface FinalizeOperation extends OperationBase {
  readonly kind: 'finalize'
  /** `marked`: the tool began the detach, so the table is not to be left without a marker. */
  readonly guard: PartitionGuard & { readonly marked?: true }
}

export interface DetachOperation extends OperationBase {
  readonly kind: 'detach'
  /** Decided by the planner, so that the printed lock is the real one. */
  readonly mode: Exclude<DetachMode, 'auto'>
  readonly range: RangeText
  readonly guard: PartitionGuard
}

/** Drops a table that we detached, or an empty one that we built and never attached. */
export interface DropOperation extends OperationBase {
  readonly kind: 'drop'
  readonly range?: RangeText
  readonly guard: {
    readonly parentOid: string
    readonly oid: string
    /** The comment as planned; null for a table that is detached by an earlier operation of the same plan. */
    readonly comment: string | null
    /** `orphan`: we detached it. `building`: we made it, never attached it, and it must still be empty. */
    readonly marker: 'orphan' | 'building'
  }
}

/** Removes an orphan marker from a partition that is attached and stays so. */
export interface UnmarkOperation extends OperationBase {
  readonly kind: 'unmark'
  readonly guard: PartitionGuard & { readonly comment: string }
}

/** Takes a CHECK off DEFAULT, the partition of this operation, with which a run that was cut short excluded a range from it. */
export interface ReadmitOperation extends OperationBase {
  readonly kind: 'readmit'
  readonly guard: {
    readonly parentOid: string
    /** DEFAULT's. */
    readonly oid: string
  }
}

export interface ParentGuard {
  readonly parentOid: string
  readonly defaultOid: string | null
  readonly default?: TableName
  /** As in the tree. A key that came since has tables locked that the plan does not name. */
  readonly foreignKeyOids?: string
}

export interface PartitionGuard {
  readonly parentOid: string
  readonly oid: string
  readonly boundText: string
  readonly defaultOid: string | null
}

/** Whether the operation takes rows out of reach; only these need the explicit word in `apply`. */
export function isDestructive(operation: Operation): boolean {
  return operation.kind === 'detach' || (operation.kind === 'drop' && operation.guard.marker === 'orphan')
}

/** Whether two operations do the same thing under the same conditions, whatever they estimate and cost. */
export function sameDecision(a: Operation, b: Operation): boolean {
  return decisionText(a) === decisionText(b)
}

function decisionText(operation: Operation): string {
  return canonicalJson({
    ...operation,
    hazards: undefined,
    scans: undefined,
    sizeBytes: undefined,
    rowEstimate: undefined,
    rowsInDefault: undefined,
  })
}
