import { Instant } from '../model/instant.ts'
import type { DetachedTable, PartitionType } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { instantOfWallClock } from '../model/time-zone.ts'
import type { DefaultRowsReport } from './default-report.ts'
import type { Finding } from './finding.ts'
import { missingUntilApplied } from './current-partition.ts'
import { calendarFitsNothing } from './calendar-fit.ts'
import { lockTimeoutHeld } from './lock-limit.ts'
import type { PartitionInfo, PartitionState } from './partition-info.ts'
import type { MaintenancePlan } from './plan.ts'
import { leftPending } from './pending-detach.ts'
import type { PlacedPartition } from './placement.ts'
import { coverage, end } from './placement.ts'
import type { PlanInput, Survey } from './survey.ts'
import { surveyTree } from './survey.ts'
import { slotName } from './timeline.ts'

/** What one partitioned table looks like now, against the calendar. */
export interface TableInspection {
  readonly table: TableName
  readonly oid: string
  readonly method: PartitionType
  readonly key: readonly string[]
  readonly server: { readonly versionNum: number; readonly now: string }
  /** Attached partitions and wanted ones that are missing, by range; then DEFAULT; then detached tables. */
  readonly partitions: readonly PartitionInfo[]
  /** How long inserts of the present moment go on finding a partition; undefined where none takes them, or not known. */
  readonly runway: { readonly until: string; readonly microseconds: string } | undefined
  /**
   * Set where the table is not as configured: which partition holds what is not known then, nor whether any takes rows of
   * the present moment. The findings say why.
   */
  readonly periodsUnknown?: true
  readonly hasDefault: boolean
  /** The rows of DEFAULT by period; left out without a DEFAULT, or where the table is not as configured. */
  readonly defaultRows?: DefaultRowsReport
  /** Those of the plan, and whether inserts of the present moment fail. */
  readonly findings: readonly Finding[]
}

/** Describes the tree for people and scripts; `plan` gives the findings, so that they are the same everywhere. */
export function inspectTable(input: PlanInput, plan: MaintenancePlan): TableInspection {
  const { tree } = input
  const result = surveyTree(input)
  const survey = 'survey' in result ? result.survey : undefined
  const runway = survey && runwayOf(input, survey)
  const hasDefault = defaultPartition(tree) !== undefined
  return {
    table: tree.parent.name,
    oid: tree.parent.oid,
    method: tree.parent.method,
    key: tree.parent.key.map((column) => column.name ?? column.expression ?? ''),
    server: { versionNum: tree.server.versionNum, now: (input.now ?? tree.server.now).toString() },
    partitions: survey ? [...rangeInfos(input, survey), ...detachedInfos(input)] : unplacedInfos(input),
    runway,
    ...(!survey && { periodsUnknown: true as const }),
    hasDefault,
    findings: [
      ...(survey ? missingUntilApplied(input, survey, plan.operations) : []),
      ...(survey ? calendarFitsNothing(survey) : []),
      ...leftPending(input, plan.findings),
      ...lockTimeoutHeld(input),
    ],
  }
}

/** An attached partition as the public `PartitionInfo`. */
export function placedInfo(input: PlanInput, survey: Survey, placed: PlacedPartition): PartitionInfo {
  const { partition, placement } = placed
  return {
    schema: partition.name.schema,
    name: partition.name.name,
    parent: input.tree.parent.name,
    oid: partition.oid,
    kind: partition.kind,
    state: partition.detachPending ? 'detach-pending' : stateOf(placed, survey),
    boundText: partition.boundText,
    period: placement.kind === 'aligned' ? placement.slot.period : undefined,
    managed: placement.kind === 'aligned',
    rowEstimate: partition.rowEstimate,
    sizeBytes: partition.sizeBytes,
    detachedAt: undefined,
  }
}

export function detachedInfo(input: PlanInput, table: DetachedTable): PartitionInfo {
  const { marker } = table
  return {
    schema: table.name.schema,
    name: table.name.name,
    parent: input.tree.parent.name,
    oid: table.oid,
    kind: table.kind,
    state: marker.kind === 'building' ? 'half-built' : 'detached',
    boundText: marker.kind === 'damaged' ? undefined : marker.facts?.bound,
    period: undefined,
    managed: marker.kind === 'orphan',
    rowEstimate: table.rowEstimate,
    sizeBytes: table.sizeBytes,
    detachedAt: marker.kind === 'orphan' ? marker.detachedAt : undefined,
  }
}

function stateOf({ placement }: PlacedPartition, survey: Survey): PartitionState {
  if (placement.kind === 'default') return 'default'
  if (placement.kind !== 'aligned') return 'unmanaged'
  if (survey.retentionHorizon !== undefined && placement.to <= survey.retentionHorizon) return 'expired'
  if (placement.to <= survey.timeline.head) return 'past'
  return placement.from > survey.timeline.head ? 'future' : 'current'
}

function rangeInfos(input: PlanInput, survey: Survey): readonly PartitionInfo[] {
  const { parent } = input.tree
  const attached = survey.placed.map((placed) => ({
    from: 'from' in placed.placement ? placed.placement.from : undefined,
    info: placedInfo(input, survey, placed),
  }))
  const missing = survey.wanted
    .filter(({ slot }) => coverage(survey.spans, slot).covered === 'none')
    .map(({ slot }) => ({
      from: slot.from,
      info: {
        schema: parent.name.schema,
        name: slotName({
          calculator: input.calculator,
          keyType: survey.keyType,
          table: parent.name.name,
          slot,
        }),
        parent: parent.name,
        oid: undefined,
        kind: 'table',
        state: 'missing',
        boundText: `FOR VALUES FROM ('${slot.range.from}') TO ('${slot.range.to}')`,
        period: slot.period,
        managed: true,
        rowEstimate: undefined,
        sizeBytes: undefined,
        detachedAt: undefined,
      } satisfies PartitionInfo,
    }))
  return [...attached, ...missing].sort((a, b) => order(a.from, b.from)).map(({ info }) => info)
}

/** Those without a place on the line (DEFAULT, unreadable bounds) come last. */
function order(a: bigint | undefined, b: bigint | undefined): number {
  if (a === b) return 0
  if (a === undefined) return 1
  return b === undefined || a < b ? -1 : 1
}

function detachedInfos(input: PlanInput): readonly PartitionInfo[] {
  return input.tree.detached.map((table) => detachedInfo(input, table))
}

/** The table is not partitioned as configured: its partitions are listed and nothing is said about periods. */
function unplacedInfos(input: PlanInput): readonly PartitionInfo[] {
  const attached = input.tree.partitions.map((partition): PartitionInfo => ({
    schema: partition.name.schema,
    name: partition.name.name,
    parent: input.tree.parent.name,
    oid: partition.oid,
    kind: partition.kind,
    state: partition.bound?.kind === 'default' ? 'default' : 'unmanaged',
    boundText: partition.boundText,
    period: undefined,
    managed: false,
    rowEstimate: partition.rowEstimate,
    sizeBytes: partition.sizeBytes,
    detachedAt: undefined,
  }))
  return [...attached, ...detachedInfos(input)]
}

/** From now on, how far partitions follow each other without a gap. A DEFAULT does not count: its rows are astray. */
function runwayOf(
  { calculator, now, tree }: PlanInput,
  { keyType, timeline, spans }: Survey,
): TableInspection['runway'] {
  const { head } = timeline
  let reached = head
  for (const { from, to, partition } of spans) {
    if (!partition.detachPending && from <= reached && to > reached) reached = to
  }
  if (reached === head) return undefined
  if (reached === end) return { until: 'infinity', microseconds: 'infinity' }
  // The wall clock of a timestamp or date key is that of the calendar's zone, and some of its days are not 24 hours.
  const until =
    keyType === 'timestamptz'
      ? Instant.fromMicroseconds(reached)
      : instantOfWallClock(reached, calculator.timeZone)
  return {
    until: until.toString(),
    microseconds: String(until.epochMicroseconds - (now ?? tree.server.now).epochMicroseconds),
  }
}
