import { ConnectionFailedError, StatementFailedError } from '../errors.ts'
import { formatTableName } from '../model/table-name.ts'
import type { CreateOperation } from '../plan/operation.ts'
import { describeError, sqlStateOf } from './sql-state.ts'

/**
 * The failure of a creation whose table was built and committed before, and is there still. Those that say nothing of
 * what was done stay as they are.
 */
export function leftBuilt(failure: unknown, { partition }: Pick<CreateOperation, 'partition'>): unknown {
  const said = describeError(failure)
  const untrue = /Nothing was changed; [^.]*\./
  const built = `${formatTableName(partition)} was built before and is not attached yet; the next run goes on from there.`
  const message = untrue.test(said) ? said.replace(untrue, () => built) : `${said} ${built}`
  if (failure instanceof ConnectionFailedError) return new ConnectionFailedError(message, { cause: failure })
  if (!(failure instanceof StatementFailedError)) return failure
  const code = serverCodes.find((known) => known === failure.code) ?? 'statement-failed'
  return new StatementFailedError(message, { cause: failure, sqlState: sqlStateOf(failure), code })
}

const serverCodes = ['lock-timeout', 'statement-timeout', 'access-denied'] as const
