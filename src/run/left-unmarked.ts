import { ConnectionFailedError, PartitionError } from '../errors.ts'
import { formatTableName } from '../model/table-name.ts'
import type { DetachOperation, FinalizeOperation } from '../plan/operation.ts'
import { describeError, isConnectionFailure } from './sql-state.ts'

/** Says of a table that is detached that its marker may be gone: nothing would ever find it again by itself. */
export function leftUnmarked(
  { parent, partition }: DetachOperation | FinalizeOperation,
  why: unknown,
): PartitionError {
  const name = formatTableName(partition)
  const message = `${formatTableName(parent)}: ${name} is detached, and it could not be made sure that it still has its marker (${describeError(why)}). Look at its comment: without a marker no run attaches or drops it. If it has none, mark it with \`pg-partsmith adopt\` (adoptPartition); with one it can be attached again with \`pg-partsmith reattach\` (reattachPartition).`
  return isConnectionFailure(why)
    ? new ConnectionFailedError(message, { cause: why })
    : new PartitionError(message, { cause: why })
}
