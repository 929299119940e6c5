import { parseBound } from '../model/bound-text.ts'
import type { Bound } from '../model/bound.ts'
import { sameBound } from '../model/bound.ts'
import { formatTableName } from '../model/table-name.ts'
import type { AttachOperation, CreateOperation, RangeText } from '../plan/operation.ts'
import type { Seen } from './look-again.ts'
import { refuse } from './look-again.ts'
import type { Refusal } from './statement.ts'

/** Somebody else has attached it with the wanted bounds: as wanted, unless a detach of it is pending. */
export function checkRace(
  seen: Seen,
  { partition, guard, range }: CreateOperation | AttachOperation,
): Refusal | undefined {
  if (seen.attachedTo !== guard.parentOid || !sameRange(seen.bound, range)) return undefined
  const name = formatTableName(partition)
  return seen.pending
    ? refuse('pending', `${name} is attached with the wanted bounds, and a detach of it is pending`)
    : refuse('raced', `${name} is attached already, with the wanted bounds`)
}

/** Whether the text of an attached partition's bound is the wanted range; both are spelled as PostgreSQL does in UTC. */
export function sameRange(boundText: string | null, range: RangeText): boolean {
  const bound = boundText === null ? undefined : parseBound(boundText)
  return bound !== undefined && sameBound(bound, rangeBound(range))
}

export function rangeBound(range: RangeText): Bound {
  return {
    kind: 'range',
    from: [{ kind: 'value', text: range.from }],
    to: [{ kind: 'value', text: range.to }],
  }
}
