import { setTimeout as sleep } from 'node:timers/promises'

import type { TableName } from '../model/table-name.ts'
import type { LockHolder } from '../plan/blocker.ts'
import { beginText } from '../sql/begin.ts'
import { lockHolders, readHolder, waitingBehind } from '../sql/blockers.ts'
import { pinSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient, DatabaseConnection } from './client.ts'
import { giveBack, openConnection } from './open-connection.ts'
import { within } from './within.ts'

/** Others waited behind a statement of ours for as long as they may be made to wait, so it was cancelled. */
export class GaveWay extends Error {
  constructor(waiting: number, longestMs: number) {
    super(`${waiting} session${waiting === 1 ? '' : 's'} waited behind it, for up to ${longestMs} ms`)
  }
}

export interface Watched {
  /** The session that is watched. */
  readonly pid: number
  /** The longest that anybody may wait behind it. */
  readonly mostMs: number
  /** Called once, when somebody has waited that long. */
  giveWay(why: GaveWay): void
  /** The tables whose holders of locks the session waits for, where it does so on its own and without a limit. */
  readonly tables?: readonly TableName[]
  /** Told now and then of those who have held a lock on the tables for longer than the watch. */
  inTheWay?(holders: readonly LockHolder[]): void
}

/** Says in the server's log, and to a proxy in between, what this transaction is for. */
export const beginWatch: string = `${beginText({ readOnly: true })} /* watches who waits for pg-partsmith */`

/** A step that is over sooner than this is not looked at: most take a few milliseconds. */
const settleMs = 20
const everyMs = 10
const connectMs = 1_000
/** Whoever makes a session wait for less is not worth a question. */
const askAfterMs = 200
const askEveryMs = 1_000

/**
 * Watches a session from another one, and says when others have waited behind it for too long.
 *
 * The server's own timeouts count a single wait or statement of ours; what others feel is the sum of what we wait for
 * and do with their lock in hand. Returns a function that ends the watch and resolves when nothing of it is left.
 */
export async function watchOver(client: DatabaseClient, watched: Watched): Promise<() => Promise<void>> {
  if (!client.capabilities.concurrentSessions) return () => Promise.resolve()
  const over = new AbortController()
  const connection = await watcher(client)
  const watch = connection
    ? look(connection, watched, over.signal).catch(() => {
        // Without the second connection the server's timeouts are what is left.
      })
    : undefined
  return async () => {
    over.abort()
    await watch
  }
}

/**
 * The connection to watch from, taken before there is anything to watch: those who wait for our locks may hold all the
 * others of the pool by then. After a second it is done without.
 */
async function watcher(client: DatabaseClient): Promise<DatabaseConnection | undefined> {
  try {
    return await within(openConnection(client, undefined), {
      ms: connectMs,
      what: 'connection to watch from',
      late: (connection) => void giveBack(connection, false),
    })
  } catch {
    return undefined
  }
}

async function look(connection: DatabaseConnection, watched: Watched, over: AbortSignal): Promise<void> {
  let discard = false
  try {
    await sleep(settleMs, undefined, { signal: over }).catch(() => undefined)
    if (over.aborted) return
    discard = true
    await connection.query(beginWatch)
    await connection.query(pinSettings)
    await lookAgainAndAgain(connection, watched, over)
    await connection.query('COMMIT')
    discard = false
  } finally {
    await giveBack(connection, discard)
  }
}

async function lookAgainAndAgain(
  connection: DatabaseConnection,
  watched: Watched,
  over: AbortSignal,
): Promise<void> {
  const question = toText(waitingBehind(watched.pid))
  const began = performance.now()
  let askAt = began + askAfterMs
  while (!over.aborted) {
    if (watched.tables && performance.now() >= askAt) {
      await askWhoIsInTheWay(connection, watched, performance.now() - began)
      askAt = performance.now() + askEveryMs
    }
    const row = (await connection.query(question)).rows[0]
    const longestMs = Number(row?.['longest_ms'])
    const waiting = Number(row?.['waiting'])
    // What was asked for before the end may not be told after it: the connection may serve somebody else by then.
    if (over.aborted) return
    const isInHand = row?.['in_hand'] === 'true'
    if (waiting > 0 && (isInHand || longestMs + everyMs >= watched.mostMs)) {
      watched.giveWay(new GaveWay(waiting, longestMs))
      return
    }
    await sleep(everyMs, undefined, { signal: over }).catch(() => undefined)
  }
}

/** Who came later is not waited for. */
async function askWhoIsInTheWay(
  connection: DatabaseConnection,
  watched: Watched,
  forMs: number,
): Promise<void> {
  const { rows } = await connection.query(toText(lockHolders(watched.tables ?? [])))
  const holders = rows
    .flatMap(readHolder)
    .filter((holder) => holder.pid !== watched.pid && (holder.ageMs === undefined || holder.ageMs >= forMs))
  if (holders.length > 0) watched.inTheWay?.(holders)
}
