import type { TransactionMode } from '../sql/begin.ts'
import { limitTime } from '../sql/count-default.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient } from './client.ts'
import { Unwatched } from './gave-way.ts'
import type { Watching } from './lock-watch.ts'
import { watchOver } from './lock-watch.ts'
import type { Session } from './session.ts'

/** What a look at rows of users' tables must keep to. */
export interface Consideration {
  readonly client: DatabaseClient
  /** The longest that others may wait behind it, as who changes the table does: a reader has ACCESS SHARE in hand. */
  readonly othersWaitMs: number
  /** The longest run of one statement. */
  readonly withinMs: number
  readonly isolation?: TransactionMode['isolation']
}

/**
 * Reads in one transaction, watched from another session. Rejects with `GaveWay` when others have waited behind it for as
 * long as they may; where there is no session to watch from, no statement of it runs for longer than that. `read` is told
 * how long one may run.
 */
export async function readConsiderately<T>(
  session: Session,
  { client, othersWaitMs, withinMs, isolation }: Consideration,
  read: (limitMs: number) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  let cancelling: Promise<void> | undefined
  return session.transaction(
    async () => {
      const watching = await watched()
      const limitMs = Math.ceil(watching ? withinMs : Math.min(withinMs, othersWaitMs))
      try {
        await session.query(toText(limitTime(limitMs)))
        return await read(limitMs)
      } catch (error) {
        throw ended.signal.aborted ? ended.signal.reason : error
      } finally {
        await watching?.stop()
        await cancelling
      }
    },
    { readOnly: true, ...(isolation && { isolation }) },
  )

  async function watched(): Promise<Watching | undefined> {
    // A single connection is in hand, and another one would be waited for in vain.
    if (client.capabilities.maxConnections === 1) return undefined
    try {
      return await watchOver(client, {
        pid: session.pid,
        mostMs: othersWaitMs,
        giveWay: (why) => {
          ended.abort(why)
          // What is lost cancels nothing.
          if (why instanceof Unwatched) cancelling = client.cancel(session.pid).catch(() => undefined)
        },
      })
    } catch (error) {
      if (error instanceof Unwatched) return undefined
      throw error
    }
  }
}
