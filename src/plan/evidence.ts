import type { ForeignKey } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import type { RangeText } from './operation.ts'

/**
 * What the planner needs to know beyond the catalog.
 *
 * A pure function (`evidenceNeeded`) says what; the metadata provider collects it; the planner gets it as data. What
 * is absent is unknown, and the unknown never destroys.
 */
export interface EvidenceRequest {
  /** How long others may wait behind a look at rows, and how long one statement of it may run, in milliseconds. */
  readonly limits?: { readonly othersWaitMs: number; readonly withinMs: number }
  /** Names that are to be created: does any relation or type have one of them already? */
  readonly names: readonly TableName[]
  /** Present where there is a DEFAULT that can be read. */
  readonly defaultRows?: {
    readonly table: TableName
    readonly key: string
    /** Ranges that are to be created beside it: how many of its rows lie in each? */
    readonly ranges: readonly RangeText[]
    /** Its rows before this that lie in none of the ranges, and those without a key: are there any? No run ever reaches them. */
    readonly before: string
    /** From here on: is there any row? Nobody writes ahead of the clock where there is none. */
    readonly ahead: string
    /** Rows of `before` are counted up to one more than this. */
    readonly mostRows: number
  }
  /** Tables that were built and never attached: does any of them hold a row? */
  readonly maybeEmpty: readonly { readonly oid: string; readonly name: TableName }[]
  /** Tables that are to be detached or dropped: how large is each, what depends on it, and to what does it refer? */
  readonly leaving?: readonly LeavingTable[]
  /** Present where partitions are to be detached that rows of other tables may refer to. */
  readonly references?: {
    readonly key: string
    /** In the order in which they are looked at. */
    readonly partitions: readonly ReferredPartition[]
    /** Rows are counted up to this. */
    readonly mostRows: number
    /** A check that takes longer is too long for those who wait. */
    readonly longestMs: number
    /** The time for all of them together; what is left then is not looked at. */
    readonly withinMs: number
  }
}

export interface LeavingTable {
  readonly oid: string
  readonly name: TableName
}

export interface ReferredPartition {
  readonly oid: string
  readonly name: TableName
  readonly range: RangeText
}

export interface Evidence {
  /** The wanted names that are taken, by `formatTableName`, with what has them. */
  readonly takenNames: ReadonlyMap<
    string,
    { readonly oid: string; readonly what: string; readonly comment?: string }
  >
  /** Rows of DEFAULT by the range's `from` literal. */
  readonly rowsInDefault: ReadonlyMap<string, number>
  /**
   * Rows of DEFAULT before the current period that lie in none of the ranges, and those without a key; more than `mostRows`
   * are not counted on.
   */
  readonly rowsAstray?: number
  /** Whether DEFAULT holds a row from after the current period. */
  readonly rowsAhead?: boolean
  /** What a scan of DEFAULT under lock has to read. */
  readonly defaultScan?: {
    /** Of its heap, or of those of its leaves. */
    readonly bytes: number
    /** Whether rows of a range are found by an index. */
    readonly keyIndexed: boolean
  }
  /** Why the rows of DEFAULT could not be read: who has it locked, or the server's words, without a full stop. */
  readonly defaultUnread?: string
  /** OIDs of the tables asked about that hold no row. */
  readonly empty: ReadonlySet<string>
  /** By OID of the leaving table, what would keep it from being dropped, as PostgreSQL describes it. */
  readonly dependents?: ReadonlyMap<string, readonly string[]>
  /** By OID of the leaving table, the foreign keys that a partition has for itself and not from its parent. */
  readonly ownForeignKeys?: ReadonlyMap<string, readonly ForeignKey[]>
  /**
   * By OID of the leaving table, its bytes with indexes and TOAST, and its rows as PostgreSQL would estimate them, where it
   * can. One that could not be measured is absent.
   */
  readonly sizes?: ReadonlyMap<string, { readonly bytes: number; readonly rows?: number }>
  /** By OID of the partition, one for each foreign key; without those for which there was no time. */
  readonly references?: ReadonlyMap<string, readonly ReferenceCheck[]>
}

/** What the server does before it detaches a partition: it looks for rows that refer to it, with its locks in hand. */
export interface ReferenceCheck {
  readonly foreignKey: string
  /** The table that refers to the partition. */
  readonly table: TableName
  readonly columns: readonly string[]
  /** Of its heap, or of those of its leaves. */
  readonly bytes: number
  /** Whether it has an index that begins with the columns. */
  readonly indexed: boolean
  readonly answer: ReferenceAnswer
}

export type ReferenceAnswer =
  /** The server's own query was run without its locks, with the table in memory as far as it fits there. */
  | { readonly kind: 'read'; readonly rows: number; readonly ms: number }
  /** It was ended after this time, or took as long for a smaller partition. */
  | { readonly kind: 'at-least'; readonly ms: number }
  /** The role may not read the table, and so may not detach either; the server's words. */
  | { readonly kind: 'denied'; readonly why: string }
  | { readonly kind: 'unread'; readonly why: string }

export const noEvidence: Evidence = { takenNames: new Map(), rowsInDefault: new Map(), empty: new Set() }

export function needsEvidence(request: EvidenceRequest): boolean {
  const { names, maybeEmpty, defaultRows, references, leaving = [] } = request
  if (names.length > 0 || maybeEmpty.length > 0 || leaving.length > 0) return true
  return defaultRows !== undefined || references !== undefined
}
