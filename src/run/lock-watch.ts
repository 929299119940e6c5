import { setTimeout as sleep } from 'node:timers/promises'

import { beginText } from '../sql/begin.ts'
import { waitingBehind } from '../sql/blockers.ts'
import { pinSettings } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient, DatabaseConnection } from './client.ts'
import { giveBack, openConnection } from './open-connection.ts'

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
}

/** Says in the server's log, and to a proxy in between, what this transaction is for. */
export const beginWatch: string = `${beginText({ readOnly: true })} /* watches who waits for pg-partsmith */`

/** A step that is over sooner than this is not looked at: most take a few milliseconds. */
const settleMs = 20
const everyMs = 10

/**
 * Watches a session from another one, and says when others have waited behind it for too long.
 *
 * The server's own timeouts count a single wait or statement of ours; what others feel is the sum of what we wait for
 * and do with their lock in hand. Returns a function that ends the watch and resolves when nothing of it is left.
 */
export function watchOver(client: DatabaseClient, watched: Watched): () => Promise<void> {
  if (!client.capabilities.concurrentSessions) return () => Promise.resolve()
  const over = new AbortController()
  const watch = look(client, watched, over.signal).catch(() => {
    // Without a second connection the server's timeouts are what is left.
  })
  return async () => {
    over.abort()
    await watch
  }
}

async function look(client: DatabaseClient, watched: Watched, over: AbortSignal): Promise<void> {
  await sleep(settleMs, undefined, { signal: over })
  const connection = await openConnection(client, over)
  let discard = true
  try {
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
  while (!over.aborted) {
    const row = (await connection.query(question)).rows[0]
    const longestMs = Number(row?.['longest_ms'])
    const waiting = Number(row?.['waiting'])
    // What was asked for before the end may not be told after it: the connection may serve somebody else by then.
    if (over.aborted) return
    if (waiting > 0 && longestMs + everyMs >= watched.mostMs) {
      watched.giveWay(new GaveWay(waiting, longestMs))
      return
    }
    await sleep(everyMs, undefined, { signal: over }).catch(() => undefined)
  }
}
