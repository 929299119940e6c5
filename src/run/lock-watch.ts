import { setTimeout as sleep } from 'node:timers/promises'

import { beginText } from '../sql/begin.ts'
import type { TableName } from '../model/table-name.ts'
import type { LockHolder } from '../plan/blocker.ts'
import { cancelSession, lockHolders, readHolder, readWaiting, waitingBehind } from '../sql/blockers.ts'
import { watchSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient, DatabaseConnection, QueryResult } from './client.ts'
import { GaveWay, Unwatched } from './gave-way.ts'
import { giveBack, openConnection } from './open-connection.ts'
import { beginPooled, openSession } from './session-limits.ts'
import { describeError } from './sql-state.ts'
import { within } from './within.ts'

export interface Watched {
  /** The session that is watched. */
  readonly pid: number
  /** Whether the session stays the same for as long as it is watched; behind a pooler a transaction is all it has. */
  readonly isPooled: boolean
  /** The longest that anybody may wait behind it. */
  readonly mostMs: number
  /** The tables whose holders of locks the session waits for, where it does so on its own and without a limit. */
  readonly tables?: readonly TableName[]
  /** Told now and then of those who have held a lock on the tables for longer than the watch. */
  inTheWay?(holders: readonly LockHolder[]): void
  /** Called once, when somebody has waited that long, or when nobody can tell any more. */
  giveWay(why: GaveWay | Unwatched): void
}

/** Says in the server's log, and to a proxy in between, what these statements are for. */
export const watchMark = '/* watches who waits for pg-partsmith */ '

/** A step that is over sooner than this is not looked at: most take a few milliseconds. */
const settleMs = 20
const everyMs = 10
const connectMs = 1_000
/** A watch that hangs for so long sees nothing. */
const answerMs = 1_000
/** Whoever makes a session wait for less is not worth a question. */
const askAfterMs = 200
const askEveryMs = 1_000

/**
 * Watches a session from another one, and says when others have waited behind it for too long.
 *
 * The server's own timeouts count a single wait or statement of ours; what others feel is the sum of what we wait for
 * and do with their lock in hand. Returns a function that ends the watch and resolves when nothing of it is left.
 * Rejects with `Unwatched` where there is no connection to watch from.
 */
export async function watchOver(client: DatabaseClient, watched: Watched): Promise<() => Promise<void>> {
  if (!client.capabilities.concurrentSessions) return () => Promise.resolve()
  const over = new AbortController()
  const connection = await watcher(client)
  const watch = look({ client, connection, watched, over: over.signal }).catch((error: unknown) => {
    if (over.signal.aborted) return
    watched.giveWay(
      new Unwatched(
        `the connection that watches who waits behind it was lost (${describeError(error)}), so it gave way`,
      ),
    )
  })
  return async () => {
    over.abort()
    await watch
  }
}

export function sessionsWaited(waiting: number, longestMs: number): string {
  return `${waiting} session${waiting === 1 ? '' : 's'} waited behind it, for up to ${longestMs} ms`
}

/**
 * The connection to watch from, taken before there is anything to watch: those who wait for our locks may hold all the
 * others of the pool by then.
 */
async function watcher(client: DatabaseClient): Promise<DatabaseConnection> {
  try {
    return await within(openConnection(client, undefined), {
      ms: connectMs,
      what: 'free connection',
      late: (connection) => void giveBack(connection, false),
    })
  } catch (error) {
    throw new Unwatched(
      `it needs a connection beside it to watch who waits behind it, and there was none (${describeError(error)}), so it was not begun`,
      { cause: error },
    )
  }
}

interface Watch {
  readonly client: DatabaseClient
  readonly connection: DatabaseConnection
  readonly watched: Watched
  readonly over: AbortSignal
}

async function look(watch: Watch): Promise<void> {
  const { client, connection, over } = watch
  let discard = false
  try {
    await sleep(settleMs, undefined, { signal: over }).catch(() => undefined)
    if (over.aborted) return
    discard = true
    const send = async (text: string): Promise<QueryResult> =>
      within(connection.query(`${watchMark}${text}`), { ms: answerMs, what: 'answer' })
    const openedWith = (): number | undefined => connection.openedWith?.()
    const { isPooled, putBack } = await openSession({ client, send, openedWith })
    const begin = beginText({ readOnly: true })
    await (isPooled ? beginPooled({ send }, begin) : send(begin))
    await send(watchSettings)
    await lookAgainAndAgain(send, watch)
    await send('COMMIT')
    if (putBack !== undefined) await send(putBack)
    discard = false
  } finally {
    await giveBack(connection, discard)
  }
}

type Send = (text: string) => Promise<QueryResult>

async function lookAgainAndAgain(send: Send, { watched, over }: Watch): Promise<void> {
  const question = toText(waitingBehind(watched.pid))
  const began = performance.now()
  let askAt = began + askAfterMs
  while (!over.aborted) {
    if (watched.tables && performance.now() >= askAt) {
      await askWhoIsInTheWay(send, watched, performance.now() - began)
      askAt = performance.now() + askEveryMs
    }
    const { waiting, longestMs, isInHand, blockers } = readWaiting((await send(question)).rows[0])
    // What was asked for before the end may not be told after it: the connection may serve somebody else by then.
    if (over.aborted) return
    if (waiting > 0 && (isInHand || longestMs + everyMs >= watched.mostMs)) {
      watched.giveWay(new GaveWay(sessionsWaited(waiting, longestMs), blockers))
      // A connection of its own takes long to open when many wait. The session is not given back before this has ended.
      if (!watched.isPooled) await send(toText(cancelSession(watched.pid)))
      return
    }
    await sleep(everyMs, undefined, { signal: over }).catch(() => undefined)
  }
}

/** Who came later is not waited for. */
async function askWhoIsInTheWay(send: Send, watched: Watched, forMs: number): Promise<void> {
  const { rows } = await send(toText(lockHolders(watched.tables ?? [])))
  const holders = rows
    .flatMap(readHolder)
    .filter((holder) => holder.pid !== watched.pid && (holder.ageMs === undefined || holder.ageMs >= forMs))
  if (holders.length > 0) watched.inTheWay?.(holders)
}
