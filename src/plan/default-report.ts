import type { KeyPosition, TimeKeyType } from '../model/key-codec.ts'
import { keyCodec } from '../model/key-codec.ts'
import { defaultPartition, foreignTableIn } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence } from './evidence.ts'
import type { RangeText } from './operation.ts'
import type { PlanInput } from './survey.ts'
import { surveyTree } from './survey.ts'
import type { Slot, Timeline } from './timeline.ts'
import { nextSlot } from './timeline.ts'

/** The rows of the DEFAULT partition, by the periods of the calendar that they belong to. */
export type DefaultRowsReport = { readonly relation: TableName } & (
  | DefaultRowsCounted
  /** `why` is a sentence: it is on another server, cannot be read, or took too long. */
  | { readonly counted: 'not'; readonly why: string }
)

export interface DefaultRowsCounted {
  /** `by-sample`: DEFAULT is large, so its pages were sampled and every number is an estimate; few rows may be missed. */
  readonly counted: 'exactly' | 'by-sample'
  /** How much of DEFAULT was read, up to 1. */
  readonly share: number
  readonly rows: number
  /** Those with rows, oldest first. */
  readonly periods: readonly DefaultRowsOfPeriod[]
  /** Rows that belong to no period: their key is NULL. */
  readonly withoutKey: number
  /** Rows that belong to no period: their key is `infinity` or `-infinity`. */
  readonly infinite: number
}

export interface DefaultRowsOfPeriod {
  readonly range: RangeText
  /** Against now. A range of several periods is `current` where one of them is. */
  readonly state: 'past' | 'current' | 'future'
  readonly rows: number
  /** Set where the range is not one period: there are too many to tell them apart, or the calendar has none there. */
  readonly several?: true
}

/** What is asked of the database, and how the answer is cut into periods. */
export interface DefaultRowsQuestion {
  readonly table: TableName
  readonly key: string
  readonly keyType: TimeKeyType
  /**
   * The literals between which to count, in their order, for keys that lie in these ranges (first and last key); none
   * where there are too many periods and `mayBeRough` is not set.
   */
  readonly cut: (spans: readonly KeySpan[], mayBeRough: boolean) => Cut
}

export interface KeySpan {
  readonly first: string
  readonly last: string
}

export interface Cut {
  readonly edges: readonly string[]
  /** Whether each period has its own two edges. */
  readonly isFine: boolean
}

/** What was counted: of all pages, or of a share of them. */
export interface DefaultRowsAnswer {
  readonly share: number
  readonly withoutKey: number
  readonly infinite: number
  readonly ranges: readonly (RangeText & { readonly rows: number })[]
}

const mostPeriods = 1_000

/** What to ask about the rows of DEFAULT, and what makes a report of the answer. */
export interface DefaultRowsAsking {
  readonly ask: DefaultRowsQuestion
  readonly report: (answer: DefaultRowsAnswer) => DefaultRowsReport
}

/** What to ask about the rows of DEFAULT; or the report itself, where there is nothing to be asked. */
export function askDefaultRows(
  input: PlanInput,
  evidence: Evidence,
): DefaultRowsAsking | DefaultRowsReport | undefined {
  const fallback = defaultPartition(input.tree)
  const result = surveyTree(input)
  if (!fallback || !('survey' in result)) return undefined
  const table = fallback.name
  const remote = foreignTableIn(fallback)
  if (remote) {
    const what = fallback.kind === 'foreign' ? 'It' : `${formatTableName(remote)} below it`
    return {
      relation: table,
      counted: 'not',
      why: `${what} is a foreign table: its rows are on another server.`,
    }
  }
  const { keyType, timeline } = result.survey
  // Not the input: of many tables, no more than this is kept until all are read.
  const report = (answer: DefaultRowsAnswer): DefaultRowsReport =>
    reportOf(answer, { table, keyType, timeline })
  if (evidence.defaultScan?.bytes === 0) return report({ share: 1, withoutKey: 0, infinite: 0, ranges: [] })
  return {
    ask: {
      table,
      key: input.config.partitionColumn,
      keyType,
      cut: (spans, mayBeRough) => cutSpans(timeline, { keyType, spans, mayBeRough }),
    },
    report,
  }
}

interface Line {
  readonly table: TableName
  readonly keyType: TimeKeyType
  readonly timeline: Timeline
}

/** Lays what was counted against now. */
function reportOf({ share, ...found }: DefaultRowsAnswer, line: Line): DefaultRowsReport {
  const scaled = (rows: number): number => Math.round(rows / share)
  const periods = found.ranges.map(({ from, to, rows }) => ofPeriod({ from, to }, scaled(rows), line))
  const withoutKey = scaled(found.withoutKey)
  const infinite = scaled(found.infinite)
  return {
    relation: line.table,
    counted: share === 1 ? 'exactly' : 'by-sample',
    share,
    rows: periods.reduce((sum, { rows }) => sum + rows, withoutKey + infinite),
    periods,
    withoutKey,
    infinite,
  }
}

function ofPeriod(range: RangeText, rows: number, { keyType, timeline }: Line): DefaultRowsOfPeriod {
  const { decode } = keyCodec(keyType)
  const [from, to] = [decode(range.from), decode(range.to)]
  const state = !isBefore(timeline.head, to) ? 'past' : isBefore(timeline.head, from) ? 'future' : 'current'
  const slot = typeof from === 'bigint' ? slotOrNone(timeline, from) : undefined
  const isOne = slot !== undefined && slot.from === from && slot.to === to
  return { range, state, rows, ...(!isOne && { several: true }) }
}

function isBefore(head: bigint, position: KeyPosition | undefined): boolean {
  return typeof position === 'bigint' ? head < position : position === 'infinity'
}

/**
 * Cuts at every beginning and end of a period in the spans. Where those are too many, a single span is cut roughly, at
 * beginnings of some of its periods.
 */
function cutSpans(
  timeline: Timeline,
  about: { readonly keyType: TimeKeyType; readonly spans: readonly KeySpan[]; readonly mayBeRough: boolean },
): Cut {
  const { encode, decode } = keyCodec(about.keyType)
  const spans = about.spans.flatMap(({ first, last }) => {
    const [from, to] = [decode(first), decode(last)]
    return typeof from === 'bigint' && typeof to === 'bigint' ? [{ from, to }] : []
  })
  const slots = slotsOf(timeline, spans)
  if (slots) return { edges: edgesOf(slots, encode), isFine: true }
  const [only, ...others] = spans
  if (!about.mayBeRough || !only || others.length > 0) return { edges: [], isFine: false }
  const step = (only.to - only.from) / BigInt(mostPeriods)
  const some = Array.from({ length: mostPeriods }, (_, index) => only.from + step * BigInt(index))
  const rough = [...some, only.to].flatMap((position) => slotOrNone(timeline, position) ?? [])
  const starts = rough.map(({ from }) => from)
  const end = rough.at(-1)?.to
  return { edges: [...new Set([...starts, ...(end === undefined ? [] : [end])])].map(encode), isFine: false }
}

/** The periods that hold a part of the spans; undefined where they are too many, or the calendar does not know them. */
function slotsOf(
  timeline: Timeline,
  spans: readonly { readonly from: bigint; readonly to: bigint }[],
): readonly Slot[] | undefined {
  const slots = new Map<bigint, Slot>()
  try {
    for (const { from, to } of spans) {
      for (let slot = timeline.slotAt(from); ; slot = nextSlot(timeline, slot)) {
        slots.set(slot.from, slot)
        if (slots.size > mostPeriods) return undefined
        if (slot.to > to) break
      }
    }
  } catch {
    return undefined
  }
  return [...slots.values()].sort((a, b) => (a.from < b.from ? -1 : 1))
}

function edgesOf(slots: readonly Slot[], encode: (position: bigint) => string): readonly string[] {
  return [...new Set(slots.flatMap(({ from, to }) => [from, to]))].map(encode)
}

function slotOrNone(timeline: Timeline, position: bigint): Slot | undefined {
  try {
    return timeline.slotAt(position)
  } catch {
    return undefined
  }
}
