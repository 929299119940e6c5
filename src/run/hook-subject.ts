import { parseBound } from '../model/bound-text.ts'
import { keyCodec } from '../model/key-codec.ts'
import type { TableInspection } from '../plan/inspection.ts'
import type { Operation, RangeText } from '../plan/operation.ts'
import type { PartitionInfo, PartitionState } from '../plan/partition-info.ts'
import type { PlanInput } from '../plan/survey.ts'
import { surveyTree } from '../plan/survey.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { HookPhase } from '../policy/options.ts'
import type { HookSubject } from './hook-runner.ts'

/** The table as it was planned from, which is what the hooks are told about. */
export interface HookScene {
  readonly config: TablePartitionConfig
  readonly input: PlanInput
  /** Made when a hook is to be told of it. */
  readonly inspection: TableInspection
}

/** Attaching again, clearing a marker and removing what was never attached are no points of a partition's life. */
export function hookPhase(when: 'before' | 'after', operation: Operation): HookPhase | undefined {
  switch (operation.kind) {
    case 'create':
      return `${when}Create`
    case 'detach':
      return `${when}Detach`
    case 'drop':
      return operation.guard.marker === 'orphan' ? `${when}Drop` : undefined
    case 'finalize':
      // The hook before it was called by the run that began the detach.
      return when === 'after' && operation.reason.code === 'detach-pending' ? 'afterDetach' : undefined
    case 'attach':
    case 'unmark':
    case 'readmit':
      return undefined
  }
}

/** What a hook is told about an operation; `oid` is what the operation has found out. */
export function hookSubject(
  { config, input, inspection }: HookScene,
  operation: Operation,
  { phase, oid }: { readonly phase: HookPhase; readonly oid?: string | undefined },
): HookSubject {
  const known = inspection.partitions.find(
    ({ schema, name }) => schema === operation.partition.schema && name === operation.partition.name,
  )
  const state = stateNow(input, operation, phase)
  const partition: PartitionInfo = {
    ...(known ?? unknownPartition(operation)),
    ...(oid !== undefined && { oid }),
    ...(state && { state }),
  }
  const range = 'range' in operation ? operation.range : rangeIn(partition.boundText)
  return {
    config,
    table: operation.parent,
    partition,
    partitionName: operation.partition.name,
    fromValue: range?.from,
    toValue: range?.to,
    oid: partition.oid,
    operation,
    reason: operation.reason,
  }
}

/** Where the operation, or the one before it, has changed what was planned from. */
function stateNow(input: PlanInput, operation: Operation, phase: HookPhase): PartitionState | undefined {
  if (phase === 'afterCreate' && operation.kind === 'create') return stateOfNew(input, operation.range)
  if (phase === 'afterDetach' || operation.reason.code === 'follows-detach') return 'detached'
  return undefined
}

function stateOfNew(input: PlanInput, range: RangeText): PartitionState {
  const result = surveyTree(input)
  if (!('survey' in result)) return 'future'
  const { timeline, keyType } = result.survey
  const codec = keyCodec(keyType)
  const [from, to] = [codec.decode(range.from), codec.decode(range.to)]
  if (typeof to === 'bigint' && to <= timeline.head) return 'past'
  return typeof from === 'bigint' && from > timeline.head ? 'future' : 'current'
}

function rangeIn(boundText: string | undefined): RangeText | undefined {
  const bound = boundText === undefined ? undefined : parseBound(boundText)
  if (bound?.kind !== 'range') return undefined
  const [from] = bound.from
  const [to] = bound.to
  return from?.kind === 'value' && to?.kind === 'value' ? { from: from.text, to: to.text } : undefined
}

function unknownPartition({ partition, parent }: Operation): PartitionInfo {
  return {
    schema: partition.schema,
    name: partition.name,
    parent,
    oid: undefined,
    kind: 'table',
    state: 'missing',
    boundText: undefined,
    period: undefined,
    managed: true,
    rowEstimate: undefined,
    sizeBytes: undefined,
    detachedAt: undefined,
  }
}
