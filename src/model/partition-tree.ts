import type { Bound } from './bound.ts'
import type { Instant } from './instant.ts'
import type { Marker } from './marker.ts'
import type { ParentChange } from './parent-change.ts'
import type { TableName } from './table-name.ts'

/** How a partitioned table divides its rows; PostgreSQL's `PARTITION BY`. */
export type PartitionType = 'range' | 'list' | 'hash'
export const PartitionType = { RANGE: 'range', LIST: 'list', HASH: 'hash' } as const

/** What the server said about itself in the same snapshot as the tree. */
export interface ServerFacts {
  /** `server_version_num`, for example 180004. */
  readonly versionNum: number
  /** The server's clock. It decides what is current and what has expired; the clock of this process never does. */
  readonly now: Instant
  readonly inRecovery: boolean
  /** Set where `default_transaction_read_only` is on for the session, so that it writes nothing. */
  readonly readOnlyByDefault?: true
  /** `<system identifier>/<database oid>`: a table restored elsewhere does not match. */
  readonly database: string
  /** `current_user`: whose rights the rights below are. */
  readonly role: string
  readonly deadlockTimeoutMs: number
  /** The shortest that is known of those who use the database. */
  readonly shortestDeadlockTimeoutMs: number
  /** Set where a pooler stands in between: nothing can be SET for the statement after it, outside of a transaction. */
  readonly pooled?: true
}

export interface KeyColumn {
  /** The column's name, or undefined where the key is an expression. */
  readonly name: string | undefined
  readonly expression: string | undefined
  /** As `format_type` prints it: `timestamp with time zone`. */
  readonly type: string
}

export interface UniqueKey {
  readonly name: string
  readonly columns: readonly string[]
}

export interface ForeignKey {
  readonly name: string
  /** The table at the other end. */
  readonly table: TableName
  /** What is below that table, all levels; left out where it is not partitioned, or is the parent itself. */
  readonly partitions?: readonly TableName[] | undefined
}

/** The partitioned table itself. */
export interface ParentTable {
  readonly oid: string
  readonly name: TableName
  readonly method: PartitionType
  readonly key: readonly KeyColumn[]
  readonly columns: readonly string[]
  readonly uniqueKeys: readonly UniqueKey[]
  /** Whether it has an exclusion constraint. */
  readonly excludes: boolean
  /** Foreign keys that refer to this table, or to its DEFAULT partition alone. */
  readonly referencedBy: readonly ForeignKey[]
  /** Its own foreign keys. */
  readonly foreignKeys: readonly ForeignKey[]
  readonly owner: string
  /** Whether the connected role has the rights of the owner. */
  readonly owned: boolean
  /** Whether the connected role may use the table's schema and create tables there, as must the owner who gets them. */
  readonly mayCreate: boolean
  /** What the table says that its partitions are stored with and where; left out where it says nothing. */
  readonly accessMethod?: string
  readonly tablespace?: string
  /** The tablespaces of its partitions and their indexes in which the connected role may not create anything. */
  readonly deniedTablespaces?: readonly string[]
  /** Whether the connected role may lock DEFAULT and move rows out of it; true where there is none. */
  readonly mayEmptyDefault: boolean
  /** DEFAULT has the CHECK that excludes the range of a coming partition: rows of that range are refused. */
  readonly defaultExcludesRange?: true
  /** A publication that sends rows as they leave DEFAULT or arrive beside it; only where there is a DEFAULT. */
  readonly publishedBy?: string
  /** OIDs of its foreign keys and of those that refer to it, as one text to compare; left out, they are not compared. */
  readonly foreignKeyOids?: string
}

export type RelationKind = 'table' | 'partitioned' | 'foreign' | 'other'

/** What every table that the tool looks at has. */
export interface RelationFacts {
  readonly oid: string
  readonly name: TableName
  readonly kind: RelationKind
  readonly owner: string
  /** Whether the connected role has the rights of the owner. */
  readonly owned: boolean
  /**
   * Whether its owner may act as the parent's owner anyway. Only then a marker on it counts: whoever owns a table writes
   * its comment.
   */
  readonly ownerIsTrusted: boolean
  /** Planner estimate of the rows; undefined while the table was never analyzed. */
  readonly rowEstimate: number | undefined
  /**
   * Heap size in bytes as of the last vacuum or analyze, leaves added up: an estimate that takes no lock. Undefined
   * while the table was never looked at.
   */
  readonly sizeBytes: number | undefined
  /** The whole COMMENT, marker included. */
  readonly comment: string | undefined
}

/** An attached partition, direct child of the parent. */
export interface Partition extends RelationFacts {
  /** As `pg_get_expr(relpartbound, 0)` prints it under TimeZone UTC and DateStyle ISO. */
  readonly boundText: string
  /** Undefined where the text could not be read; such a partition is reported and never touched. */
  readonly bound: Bound | undefined
  /** A concurrent detach was begun and not finished: its rows are invisible through the parent. */
  readonly detachPending: boolean
  /** An orphan marker on an attached partition: a detach was begun and died before the detach itself. */
  readonly marker: Marker | undefined
  /**
   * The tables below it, all levels, where operations lock them: below DEFAULT, below one whose detach is pending, and
   * below every partition of a parent that refers to itself.
   */
  readonly partitions?: readonly TableName[] | undefined
  /** The first foreign table among all that is below it: what it holds is on another server. */
  readonly foreignBelow?: TableName | undefined
  /** What the parent got while the detach was pending, and without which the server does not finish it (version 18). */
  readonly parentChanges?: readonly ParentChange[] | undefined
}

/** A table that is not attached anywhere and whose marker names this parent. */
export interface DetachedTable extends RelationFacts {
  readonly marker: Marker
  /** A table that it was made an heir of, where its rows are found now. */
  readonly heirOf: string | undefined
  /** By name and type, without type modifiers. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Foreign keys of other tables that refer to this one; it cannot be dropped while there are any. */
  readonly referencedBy: readonly ForeignKey[]
  /** Its own foreign keys; they are removed before the drop. */
  readonly foreignKeys: readonly ForeignKey[]
}

/** Everything the catalog says about one partitioned table, read in one snapshot. */
export interface PartitionTree {
  readonly server: ServerFacts
  readonly parent: ParentTable
  readonly partitions: readonly Partition[]
  readonly detached: readonly DetachedTable[]
}

/** The foreign table that the partition is, or has below it: its rows can neither be locked nor moved in one transaction. */
export function foreignTableIn({ kind, name, foreignBelow }: Partition): TableName | undefined {
  return kind === 'foreign' ? name : foreignBelow
}

/** The DEFAULT partition, where there is one. */
export function defaultPartition(tree: PartitionTree): Partition | undefined {
  return tree.partitions.find((partition) => partition.bound?.kind === 'default')
}
