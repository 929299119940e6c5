import type { TableName } from '../model/table-name.ts'
import type { RangeText } from './operation.ts'

/**
 * What the planner needs to know beyond the catalog.
 *
 * A pure function (`evidenceNeeded`) says what; the metadata provider collects it; the planner gets it as data. What
 * is absent is unknown, and the unknown never destroys.
 */
export interface EvidenceRequest {
  /** Names that are to be created: does any relation or type have one of them already? */
  readonly names: readonly TableName[]
  /** Present where there is a DEFAULT that can be read. */
  readonly defaultRows?: {
    readonly table: TableName
    readonly key: string
    /** Ranges that are to be created beside it: how many of its rows lie in each? */
    readonly ranges: readonly RangeText[]
    /** Its rows before this, and those without a key: are there any? No run ever reaches them. */
    readonly before: string
    /** From here on: is there any row? Nobody writes ahead of the clock where there is none. */
    readonly ahead: string
    /** How many rows are looked at for `before`: this much is asked on every run, so it must stay cheap. */
    readonly sample: number
  }
  /** Tables that were built and never attached: does any of them hold a row? */
  readonly maybeEmpty: readonly { readonly oid: string; readonly name: TableName }[]
}

export interface Evidence {
  /** The wanted names that are taken, by `formatTableName`, with what has them. */
  readonly takenNames: ReadonlyMap<string, { readonly oid: string; readonly what: string }>
  /** Rows of DEFAULT by the range's `from` literal. */
  readonly rowsInDefault: ReadonlyMap<string, number>
  /** Rows of DEFAULT before the current period or without a key, among the sample. */
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
  /** OIDs of the tables asked about that hold no row. */
  readonly empty: ReadonlySet<string>
}

export const noEvidence: Evidence = { takenNames: new Map(), rowsInDefault: new Map(), empty: new Set() }

export function needsEvidence(request: EvidenceRequest): boolean {
  return request.names.length > 0 || request.maybeEmpty.length > 0 || request.defaultRows !== undefined
}
