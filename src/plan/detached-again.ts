import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { PlanInput, Survey } from './survey.ts'
import type { Slot } from './timeline.ts'
import { nextSlot } from './timeline.ts'

/** How many periods are counted for a number to recommend. */
const mostCounted = 100_000

/** Whether a partition that is attached again, or still, is detached by the next run, and what keeps it from that. */
export function detachedAgain(
  { config }: PlanInput,
  survey: Survey,
  partition: { readonly name: TableName; readonly from: bigint; readonly to: bigint },
): readonly Finding[] {
  const { retention, drop } = config.lifecycle
  const { name, from, to } = partition
  if (survey.retentionHorizon === undefined || to > survey.retentionHorizon) return []
  const slot = slotOf(survey, from)
  // What does not lie in one period is never retired.
  if (!slot || to > slot.to || retention.kind !== 'newest') return []
  const table = formatTableName(name)
  const kept = `retentionCount is ${retention.count}`
  const dropped = drop.kind === 'after' && drop.graceMicros === 0n ? ' and drops it, its rows with it' : ''
  const count = countToNow(survey, slot)
  const enough = count === undefined ? 'so far that it reaches back to it' : `to ${count} or more`
  return [
    finding('reattached-expired', {
      relation: name,
      range: slot.range,
      message: `${table} has expired (${kept}), so the next run that may detach takes it out again${dropped}.`,
      next: `Raise retentionCount ${enough} before that run. A run without --allow-destructive (allowDestructive: false) leaves it attached.`,
    }),
  ]
}

function slotOf({ timeline }: Survey, position: bigint): Slot | undefined {
  try {
    return timeline.slotAt(position)
  } catch {
    return undefined
  }
}

/** The periods from that one to the current one, both counted; that many must be kept for it to stay. */
function countToNow({ timeline, current }: Survey, oldest: Slot): number | undefined {
  let slot = oldest
  for (let count = 1; count <= mostCounted; count++) {
    if (slot.from >= current.from) return count
    slot = nextSlot(timeline, slot)
  }
  return undefined
}
