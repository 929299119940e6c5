import { isMarkerOf } from '../model/marker.ts'
import type {
  DetachOperation,
  DropOperation,
  FinalizeOperation,
  ReadmitOperation,
  UnmarkOperation,
} from '../plan/operation.ts'
import type { Seen } from '../sql/look-again.ts'

/**
 * Whether what an operation wants is so already, by the partition's OID: `seen` is undefined when it is gone.
 *
 * Two maintainers that do not share a lock do the same work; whoever comes second has nothing to report.
 */
export function isDone(
  operation: FinalizeOperation | DetachOperation | DropOperation | UnmarkOperation | ReadmitOperation,
  seen: Seen | undefined,
  markerPrefix: string,
): boolean {
  if (seen === undefined) return true
  const { guard } = operation
  switch (operation.kind) {
    case 'finalize':
    case 'detach':
      return seen.attachedTo !== guard.parentOid
    case 'drop':
      // What was half-built is no more when somebody has finished it.
      return operation.guard.marker === 'building' && seen.attachedTo === guard.parentOid
    case 'unmark':
      return !isMarkerOf(seen.comment, markerPrefix)
    case 'readmit':
      // Where the CHECK is off already there is nothing that could fail.
      return false
  }
}
