import { InvalidPartitionConfigError } from '../errors.ts'
import { parseBound } from '../model/bound-text.ts'
import type { PeriodCalculator } from '../model/calendar.ts'
import { isCalculatorOf } from '../model/calendar.ts'
import type { Instant } from '../model/instant.ts'
import type { TimeKeyType } from '../model/key-codec.ts'
import { keyCodec } from '../model/key-codec.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { Finding } from './finding.ts'
import { checkKey } from './key-check.ts'
import type { PlacedPartition, PlacedSpan } from './placement.ts'
import { beginning, end, placePartition, spansOf } from './placement.ts'
import type { Slot, Timeline } from './timeline.ts'
import { nextSlot, previousSlot, timelineFor } from './timeline.ts'

export interface PlanInput {
  readonly config: TablePartitionConfig
  readonly calculator: PeriodCalculator
  readonly tree: PartitionTree
  /** @default the server's clock as read with the tree */
  readonly now?: Instant
  /** @default 'UTC' */
  readonly ddlTimezone?: string | null
  /**
   * How long readers and writers may be made to wait, as configured; `longestWaitMs` says what this server leaves of it.
   * Left out, no scan under a lock is too long.
   */
  readonly lockTimeoutMs?: number
  /** How long is looked for rows that refer to what is to be detached. @default 10000 */
  readonly statementTimeoutMs?: number
  /** How long a run tries again, in all, for locks that are not free. @default 15000 */
  readonly giveUpAfterMs?: number
  /** Further positions whose periods are wanted, besides those that create-ahead asks for. */
  readonly explicit?: readonly bigint[]
  /** A detached table that is to be attached again, whatever retention and `dropAfter` say. */
  readonly reattach?: TableName
}

/** The tree laid against the calendar: what is there, what is wanted, and where both horizons are. */
export interface Survey {
  readonly keyType: TimeKeyType
  readonly timeline: Timeline
  /** The period that now lies in. */
  readonly current: Slot
  /** The wanted periods, from the current one to the creation horizon, and the explicit ones. */
  readonly wanted: readonly WantedSlot[]
  /** Everything that ends at or before this has expired; undefined: nothing ever expires. */
  readonly retentionHorizon: bigint | undefined
  readonly placed: readonly PlacedPartition[]
  /** Those of `placed` that have a place on the line, by it. */
  readonly spans: readonly PlacedSpan[]
}

export interface WantedSlot {
  readonly slot: Slot
  readonly reason: 'create-ahead' | 'explicit'
}

export type SurveyResult = { readonly survey: Survey } | { readonly findings: readonly Finding[] }

const surveys = new WeakMap<PlanInput, SurveyResult>()

/** Lays the tree against the calendar; remembered by input, because planning and describing a table both need it. */
export function surveyTree(input: PlanInput): SurveyResult {
  const known = surveys.get(input)
  if (known) return known
  const result = survey(input)
  surveys.set(input, result)
  return result
}

function survey(input: PlanInput): SurveyResult {
  const { config, calculator, tree } = input
  checkGranularity(config, calculator)
  const key = checkKey(config, tree.parent)
  if ('findings' in key) return key
  const { keyType } = key
  const timeline = timelineFor({
    calculator,
    keyType,
    now: input.now ?? tree.server.now,
    ddlTimezone: input.ddlTimezone === undefined ? 'UTC' : input.ddlTimezone,
  })
  const current = timeline.slotAt(timeline.head)
  const placed = tree.partitions.map((partition) => ({
    partition,
    placement: placePartition(partition, keyType, timeline),
  }))
  const spans = spansOf(placed)
  const oldest = oldestThere(tree, keyType, spans)
  return {
    survey: {
      keyType,
      timeline,
      current,
      wanted: wantedSlots(config, { timeline, current, explicit: input.explicit ?? [] }),
      retentionHorizon: retentionHorizon(config, { timeline, current, oldest }),
      placed,
      spans,
    },
  }
}

/** A granularity beside a calculator of your own would be ignored, so it is taken for a mistake. */
function checkGranularity({ table, granularity }: TablePartitionConfig, calculator: PeriodCalculator): void {
  if (granularity === undefined || isCalculatorOf(calculator, granularity)) return
  throw new InvalidPartitionConfigError(
    `${formatTableName(table)}: the configuration has granularity '${granularity}' and the service is given the periodCalculator ${calculator.constructor.name}, which is another calendar. Leave out one of them.`,
  )
}

function wantedSlots(
  config: TablePartitionConfig,
  { timeline, current, explicit }: { timeline: Timeline; current: Slot; explicit: readonly bigint[] },
): readonly WantedSlot[] {
  const wanted = new Map<bigint, WantedSlot>()
  let slot = current
  for (let index = 0; index < config.lifecycle.creation.count; index++) {
    if (index > 0) slot = nextSlot(timeline, slot)
    wanted.set(slot.from, { slot, reason: 'create-ahead' })
  }
  for (const position of explicit) {
    const asked = timeline.slotAt(position)
    if (!wanted.has(asked.from)) wanted.set(asked.from, { slot: asked, reason: 'explicit' })
  }
  return [...wanted.values()].sort((a, b) => (a.slot.from < b.slot.from ? -1 : 1))
}

/** 0001-01-01, where the names of periods begin. */
const firstNamed = -62_135_596_800_000_000n

function retentionHorizon(
  config: TablePartitionConfig,
  { timeline, current, oldest }: { timeline: Timeline; current: Slot; oldest: bigint },
): bigint | undefined {
  const { retention } = config.lifecycle
  if (retention.kind === 'everything') return undefined
  let slot = current
  for (let index = 1; index < retention.count; index++) {
    // From here back there is nothing that could have expired, so a large count costs no long walk into the past.
    if (slot.from <= oldest) return slot.from
    if (slot.from <= firstNamed) return beginning
    slot = previousSlot(timeline, slot)
  }
  return slot.from
}

/** Nothing of the table, attached or detached, lies before this; `beginning` where that is not certain. */
function oldestThere(tree: PartitionTree, keyType: TimeKeyType, spans: readonly PlacedSpan[]): bigint {
  let oldest = spans.find(({ from }) => from !== beginning)?.from
  for (const { marker } of tree.detached) {
    if (marker.kind !== 'orphan') continue
    // Known by its name alone, which is looked for among those of all kept periods.
    if (marker.facts?.bound === undefined) return beginning
    const bound = parseBound(marker.facts.bound)
    const edge = bound?.kind === 'range' ? bound.from[0] : undefined
    const from = edge?.kind === 'value' ? keyCodec(keyType).decode(edge.text) : undefined
    if (typeof from === 'bigint' && (oldest === undefined || from < oldest)) oldest = from
  }
  // Where nothing is, nothing can have expired.
  return oldest ?? end
}
