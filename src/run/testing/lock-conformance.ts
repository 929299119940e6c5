import { LockAcquisitionError, LockLostError, RunAbortedError } from '../../errors.ts'
import type { TableName } from '../../model/table-name.ts'
import type { LockLease, LockManager } from '../lock.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { freshName, must, rejectionOf, soon } from './conformance-case.ts'

export interface LockFixture {
  readonly locks: LockManager
  /** A second manager of the same locks, as another process would have it; the same one where there can be no other. */
  readonly other: LockManager
  dispose(): Promise<void>
}

export interface LockConformanceOptions {
  /** Called anew for every case. */
  create(): Promise<LockFixture>
}

/**
 * What every `LockManager` must do, for any test runner: `for (const { name, run } of lockConformance(...)) test(name, run)`.
 *
 * Tables are only named, never looked at; each case uses names of its own.
 */
export function lockConformance(options: LockConformanceOptions): readonly ConformanceCase[] {
  return Object.entries(cases).map(([name, check]) => ({
    name,
    run: async () => {
      const fixture = await options.create()
      try {
        await soon(check(fixture), `end of the case "${name}"`)
      } finally {
        await fixture.dispose()
      }
    },
  }))
}

const cases: Readonly<Record<string, (fixture: LockFixture) => Promise<void>>> = {
  'one holder has the lock and the second gets LockAcquisitionError': async ({ locks, other }) => {
    const table = freshTable()
    const lease = await locks.acquireLock(table)
    must(!lease.signal.aborted, 'The signal of a lease that was just given has aborted.')
    await mustBeRefused(other, table)
    await mustBeRefused(locks, table)
    await lease.release()
  },

  'the lock can be taken again after it was released': async ({ locks, other }) => {
    const table = freshTable()
    await (await locks.acquireLock(table)).release()
    await (await other.acquireLock(table)).release()
    await (await locks.acquireLock(table)).release()
  },

  'a second release does nothing, also when somebody else has the lock by then': async ({ locks, other }) => {
    const table = freshTable()
    const first = await locks.acquireLock(table)
    await first.release()
    const second = await other.acquireLock(table)
    await first.release()
    await second.assertHeld()
    await mustBeRefused(locks, table)
    await second.release()
  },

  'a refused acquisition leaves the lock with its holder': async ({ locks, other }) => {
    const table = freshTable()
    const lease = await locks.acquireLock(table)
    await mustBeRefused(other, table)
    await lease.assertHeld()
    await mustBeRefused(other, table)
    must(await other.isLocked(table), 'The lock is gone after a refused acquisition.')
    must(!lease.signal.aborted, "The holder's signal aborted because of a refused acquisition.")
    await lease.release()
  },

  'one of fifty contenders wins': async ({ locks, other }) => {
    const table = freshTable()
    const attempts = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? locks : other).acquireLock(table)),
    )
    const won = attempts.filter((attempt) => attempt.status === 'fulfilled')
    const lost = attempts.filter((attempt) => attempt.status === 'rejected')
    for (const { value } of won) await value.release()
    must(won.length === 1, `${won.length} of 50 contenders have the lock at once; one should.`)
    for (const { reason } of lost) requireRefusal(reason)
  },

  'different tables are locked side by side': async ({ locks, other }) => {
    const leases: LockLease[] = []
    for (let index = 0; index < 3; index += 1) {
      leases.push(await (index % 2 === 0 ? locks : other).acquireLock(freshTable()))
    }
    for (const lease of leases) await lease.assertHeld()
    for (const lease of leases) await lease.release()
  },

  'names with dots and quotes are not confused': async ({ locks, other }) => {
    const name = freshName('c')
    const near: readonly TableName[] = [
      { schema: 'a.b', name },
      { schema: 'a', name: `b.${name}` },
      { schema: 'a"."b', name },
      { schema: 'A.b', name },
    ]
    const leases: LockLease[] = []
    for (const [index, table] of near.entries()) {
      leases.push(await (index % 2 === 0 ? locks : other).acquireLock(table))
    }
    for (const lease of leases) await lease.release()
  },

  'isLocked tells whether anybody holds the lock': async ({ locks, other }) => {
    const table = freshTable()
    must(!(await locks.isLocked(table)), 'isLocked is true for a table that nobody locked.')
    const lease = await locks.acquireLock(table)
    must(await locks.isLocked(table), 'isLocked is false for the manager that holds the lock.')
    must(await other.isLocked(table), 'isLocked is false for the other manager while the lock is held.')
    must(!(await other.isLocked(freshTable())), 'isLocked is true for another table.')
    await lease.release()
    must(!(await other.isLocked(table)), 'isLocked is true after the release.')
  },

  'an acquisition whose signal has aborted takes nothing': async ({ locks, other }) => {
    const table = freshTable()
    const error = await rejectionOf(
      locks.acquireLock(table, { signal: AbortSignal.abort() }),
      'An acquisition after the abort',
    )
    must(error instanceof RunAbortedError, `It was refused with ${String(error)}, not with RunAbortedError.`)
    must(!(await other.isLocked(table)), 'The lock is held after an acquisition that was aborted.')
  },

  'an acquisition that is aborted on its way leaves no lock behind': async ({ locks, other }) => {
    const table = freshTable()
    const stop = new AbortController()
    const attempt = locks.acquireLock(table, { signal: stop.signal })
    stop.abort()
    const lease = await attempt.catch(() => undefined)
    // It may have come first; then it is a lock like any other.
    await lease?.release()
    await (await other.acquireLock(table)).release()
  },

  'assertHeld confirms a lock that is held and rejects after the release': async ({ locks }) => {
    const lease = await locks.acquireLock(freshTable())
    await lease.assertHeld()
    await lease.assertHeld()
    await lease.release()
    const error = await rejectionOf(lease.assertHeld(), 'assertHeld after the release')
    must(error instanceof LockLostError, `It was refused with ${String(error)}, not with LockLostError.`)
  },

  'the end of an "await using" block releases the lock': async ({ locks, other }) => {
    const table = freshTable()
    {
      await using lease = await locks.acquireLock(table)
      await lease.assertHeld()
    }
    await (await other.acquireLock(table)).release()
  },

  'the key says what is locked, and a fencing number grows': async ({ locks, other }) => {
    const table = freshTable()
    const first = await locks.acquireLock(table)
    await first.release()
    const second = await other.acquireLock(table)
    await second.release()
    must(
      first.key !== '' && first.key === second.key,
      `The keys of one table are ${first.key} and ${second.key}.`,
    )
    const [earlier, later] = [first.fencingToken, second.fencingToken]
    if (earlier === undefined || later === undefined) return
    must(later > earlier, `The fencing number was ${earlier} and then ${later}; it must grow.`)
  },
}

function freshTable(): TableName {
  return { schema: 'conformance', name: freshName('t') }
}

async function mustBeRefused(locks: LockManager, table: TableName): Promise<void> {
  requireRefusal(await rejectionOf(locks.acquireLock(table), 'An acquisition of a lock that is held'))
}

function requireRefusal(error: unknown): void {
  must(
    error instanceof LockAcquisitionError,
    `The acquisition was refused with ${String(error)}, not with LockAcquisitionError.`,
  )
}
