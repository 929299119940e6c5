import { defaultPartition } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { Operation } from './operation.ts'
import type { PlanInput, Survey } from './survey.ts'

/** Whether rows of the present moment have a place: a partition, or DEFAULT. */
function takesRowsNow({ tree }: PlanInput, { spans, timeline }: Survey): boolean {
  const { head } = timeline
  return (
    defaultPartition(tree) !== undefined ||
    spans.some(({ from, to, partition }) => !partition.detachPending && from <= head && head < to)
  )
}

/** A plan that makes the partition says enough by that; one that does not must not pass for a success. */
export function insertsFail(
  input: PlanInput,
  survey: Survey,
  operations: readonly Operation[],
): readonly Finding[] {
  // What is finished first is planned again after that, under the same lock.
  const isFirst = operations.some(({ kind }) => kind === 'finalize')
  if (isFirst || takesRowsNow(input, survey) || makesRoomNow(survey, operations)) return []
  return [
    finding('inserts-fail', {
      range: survey.current.range,
      message: `${sentence(input, survey)}, and no plan can make one now.`,
      next: 'See the other findings: they say why.',
    }),
  ]
}

/** For whoever only looks: that rows are lost until the plan is carried out. */
export function missingUntilApplied(
  input: PlanInput,
  survey: Survey,
  operations: readonly Operation[],
): readonly Finding[] {
  if (takesRowsNow(input, survey) || !makesRoomNow(survey, operations)) return []
  return [
    finding('current-partition-missing', {
      range: survey.current.range,
      message: `${sentence(input, survey)}.`,
      next: 'Run `maintain`, or `apply`, now: the plan makes it.',
    }),
  ]
}

function sentence({ tree }: PlanInput, { current: { range } }: Survey): string {
  return `No partition of ${formatTableName(tree.parent.name)} takes rows of the present moment (${range.from} to ${range.to}) and there is no DEFAULT, so their inserts fail`
}

function makesRoomNow({ current }: Survey, operations: readonly Operation[]): boolean {
  return operations.some(
    (operation) =>
      (operation.kind === 'create' || operation.kind === 'attach') &&
      operation.range.from === current.range.from,
  )
}
