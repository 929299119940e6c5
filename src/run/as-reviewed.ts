import type { Operation } from '../plan/operation.ts'
import { sameDecision } from '../plan/operation.ts'

/** Why an operation of a plan that was made before must not run, or nothing. */
export function whyNotAsReviewed(
  reviewed: Operation | undefined,
  decided: Operation | undefined,
): string | undefined {
  if (decided === undefined) return 'it would not be planned now'
  if (reviewed !== undefined && sameDecision(reviewed, decided)) return undefined
  if (reviewed?.kind === 'detach' && decided.kind === 'detach' && reviewed.mode !== decided.mode) {
    return reviewed.mode === 'concurrent'
      ? 'the plan detaches it concurrently, and now it would be by the blocking form, as it always is through a pooler'
      : 'the plan detaches it by the blocking form, as through a pooler, and now it would be concurrently'
  }
  return 'the plan says something else about it than would be planned now'
}

/** What moved since a plan was made, in a sentence. */
export function listMoved(moved: readonly string[]): string {
  const shown = moved.slice(0, 5).join('; ')
  return moved.length > 5 ? `${shown}; and ${moved.length - 5} more` : shown
}
