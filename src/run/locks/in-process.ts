import { LockAcquisitionError, LockLostError } from '../../errors.ts'
import type { TableName } from '../../model/table-name.ts'
import { formatTableName } from '../../model/table-name.ts'
import type { DatabaseClient } from '../client.ts'
import type { LockLease } from '../lock.ts'

interface InProcessLock {
  readonly prefix: string
  readonly table: TableName
}

const held = new WeakMap<DatabaseClient, Set<string>>()

/** Takes a lock among the users of one client in this process: enough where the client is the only session there is. */
export function acquireInProcess(client: DatabaseClient, lock: InProcessLock): LockLease {
  const key = keyOf(lock)
  const name = formatTableName(lock.table)
  const keys = held.get(client) ?? new Set()
  if (keys.has(key)) {
    throw new LockAcquisitionError(
      `${name}: another maintainer of this process holds the lock. Nothing was done; run again when it has finished.`,
    )
  }
  held.set(client, keys.add(key))

  let released = false
  const release = async (): Promise<void> => {
    if (!released) keys.delete(key)
    released = true
  }
  return {
    key,
    signal: new AbortController().signal,
    assertHeld: async () => {
      if (released) throw new LockLostError(`${name}: the lock was released.`)
    },
    release,
    [Symbol.asyncDispose]: release,
  }
}

export function isLockedInProcess(client: DatabaseClient, lock: InProcessLock): boolean {
  return held.get(client)?.has(keyOf(lock)) ?? false
}

function keyOf({ prefix, table }: InProcessLock): string {
  return `${prefix}:${formatTableName(table)}`
}
