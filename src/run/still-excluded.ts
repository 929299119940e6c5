import { StatementFailedError } from '../errors.ts'
import { formatTableName } from '../model/table-name.ts'
import type { CreateOperation } from '../plan/operation.ts'
import { exclusionName, readmitByHand } from '../plan/readmission.ts'
import { LockNotFree } from './lock-ladder.ts'
import { describeError, sqlStateOf } from './sql-state.ts'

/** As a failure of its own kind: while the CHECK is on, no other range can be excluded. */
export class RangeStillExcluded extends StatementFailedError {}

/**
 * The failure of a creation that has left its CHECK on DEFAULT: `why` is what stood in the way of taking it off.
 */
export function stillExcluded(
  failure: unknown,
  { guard, range }: Pick<CreateOperation, 'guard' | 'range'>,
  why: unknown,
): unknown {
  const fallback = guard.default
  if (!fallback) return failure
  // What an explained failure says after this is not so here.
  const [what = ''] = describeError(failure).split(' Nothing was changed')
  return new RangeStillExcluded(
    `${what} The CHECK ${exclusionName} is still on ${formatTableName(fallback)} and could not be taken off (${describeError(why)}), so inserts of ${range.from} to ${range.to} fail with SQLSTATE 23514 until it is. Those from before ${range.from} do not. The next run takes it off first, and should come before then; to do it now: ${readmitByHand(fallback)};`,
    {
      cause: failure,
      sqlState: sqlStateOf(why),
      code: why instanceof LockNotFree ? 'lock-timeout' : 'statement-failed',
    },
  )
}
