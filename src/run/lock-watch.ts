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
import { roundTripMs } from './session.ts'
import { describeError } from './sql-state.ts'
import { within } from './within.ts'

export interface Watched {
  /** The session that is watched. */
  readonly pid: number
  /** The longest that anybody may wait behind it. */
  readonly mostMs: number
  /** The tables whose holders of locks the session waits for, where it does so on its own and without a limit. */
  readonly tables?: readonly TableName[]
  /** Told now and then of those who have held a lock on the tables for longer than the watch. */
  inTheWay?(holders: readonly LockHolder[]): void
  /** Called once, when somebody has waited that long, or when nobody can tell any more. */
  giveWay(why: GaveWay | Unwatched): void
}

export interface Watching {
  /** Ends the watch. Resolves when the session cannot be cancelled by it any more, and may go to somebody else. */
  spare(): Promise<void>
  /** The same; resolves when nothing of the watch is left. */
  stop(): Promise<void>
}

/** Says in the server's log, and to a proxy in between, what these statements are for. */
export const watchMark = '/* watches who waits for pg-partsmith */ '

/** A step that is over sooner than this is not looked at: most take a few milliseconds. */
const settleMs = 20
const everyMs = 10
/** Nobody waits behind the step meanwhile: it has no lock yet. */
const openMs = 1_000
/** A watch that hangs sees nothing; it may do so for as long as others may wait, within these limits. */
const answerMs = { least: 100, most: 1_000 }
/** Whoever makes a session wait for less is not worth a question. */
const askAfterMs = 200
const askEveryMs = 1_000

/**
 * Watches a session from another one, cancels it when others have waited behind it for too long, and says so.
 *
 * The server's own timeouts count a single wait or statement of ours; what others feel is the sum of what we wait for
 * and do with their lock in hand. Resolves when the watch has had an answer in a session of its own on the server: so it
 * is called before the first lock is asked for. Rejects with `Unwatched` where there is no such session.
 */
export async function watchOver(client: DatabaseClient, watched: Watched): Promise<Watching> {
  if (!client.capabilities.concurrentSessions) return nobodyToWatch
  const over = new AbortController()
  const watch = new Watch(await openWatch(client, watched), watched, over.signal)
  const running = watch.run().catch((error: unknown) => {
    if (over.signal.aborted) return
    watched.giveWay(
      new Unwatched(
        `the connection that watches who waits behind it was lost (${describeError(error)}), so it gave way`,
        { hadBegun: true, cause: error },
      ),
    )
  })
  const spare = (): Promise<void> => {
    over.abort()
    return watch.cancelling
  }
  return {
    spare,
    stop: async () => {
      await spare()
      await running
    },
  }
}

/** Of one session alone. */
const nobodyToWatch: Watching = { spare: () => Promise.resolve(), stop: () => Promise.resolve() }

export function sessionsWaited(waiting: number, longestMs: number): string {
  return `${waiting} session${waiting === 1 ? '' : 's'} waited behind it, for up to ${longestMs} ms`
}

type Send = (text: string) => Promise<QueryResult>

interface OpenWatch {
  readonly connection: DatabaseConnection
  readonly send: Send
  /** What the transaction of the watch begins with, where it has not begun yet. */
  readonly begin: readonly string[]
  readonly putBack: string | undefined
}

/**
 * Taken before there is anything to watch: those who wait for our locks may hold all other connections by then. A
 * pooler keeps a connection to the server only for a transaction, so there it is begun at once.
 */
async function openWatch(client: DatabaseClient, { mostMs, tables }: Watched): Promise<OpenWatch> {
  const taken: { connection?: DatabaseConnection; isLate?: true } = {}
  const open = async (): Promise<OpenWatch> => {
    const connection = await openConnection(client, undefined)
    if (taken.isLate) {
      await giveBack(connection, false)
      throw new Error('It came too late.')
    }
    taken.connection = connection
    const ask = (text: string): Promise<QueryResult> => connection.query(`${watchMark}${text}`)
    const openedWith = (): number | undefined => connection.openedWith?.()
    const { isPooled, putBack } = await openSession({ client, send: ask, openedWith })
    const begin = beginText({ readOnly: true })
    if (isPooled) {
      await beginPooled({ send: ask }, begin)
      await ask(watchSettings)
    }
    // What is pending has no lock that readers and writers wait for, and cut short it stays pending.
    const silence = tables ? answerMs.most : Math.max(answerMs.least, Math.min(mostMs, answerMs.most))
    const limit = silence + 2 * roundTripMs(client)
    const send: Send = (text) => within(ask(text), { ms: Math.ceil(limit), what: 'answer' })
    const both = client.capabilities.severalStatements
      ? [`${begin};\n${watchSettings}`]
      : [begin, watchSettings]
    return { connection, send, begin: isPooled ? [] : both, putBack }
  }
  try {
    return await within(open(), { ms: openMs, what: 'free connection to the server' })
  } catch (error) {
    taken.isLate = true
    // Closed, it waits no longer in the queue of a pooler.
    if (taken.connection) void giveBack(taken.connection, true)
    throw new Unwatched(
      `it needs a connection beside it to watch who waits behind it, and there was none (${describeError(error)}), so it was not begun`,
      { hadBegun: false, cause: error },
    )
  }
}

class Watch {
  readonly #open: OpenWatch
  readonly #watched: Watched
  readonly #over: AbortSignal
  readonly #began = performance.now()
  #cancelling: Promise<void> = Promise.resolve()

  constructor(open: OpenWatch, watched: Watched, over: AbortSignal) {
    this.#open = open
    this.#watched = watched
    this.#over = over
  }

  /** Settled when the request that is on its way, if one is, has been answered. */
  get cancelling(): Promise<void> {
    return this.#cancelling
  }

  async run(): Promise<void> {
    const { connection, send, begin, putBack } = this.#open
    let discard = true
    try {
      await sleep(settleMs, undefined, { signal: this.#over }).catch(() => undefined)
      if (!this.#over.aborted) {
        for (const text of begin) await send(text)
        await this.#lookAgainAndAgain()
        await send('COMMIT')
      } else if (begin.length === 0) await send('COMMIT')
      if (putBack !== undefined) await send(putBack)
      discard = false
    } finally {
      await giveBack(connection, discard)
    }
  }

  async #lookAgainAndAgain(): Promise<void> {
    const { send } = this.#open
    const { pid, mostMs, tables } = this.#watched
    const question = toText(waitingBehind(pid))
    let askAt = performance.now() + askAfterMs
    while (!this.#over.aborted) {
      if (tables && performance.now() >= askAt) {
        await this.#askWhoIsInTheWay(tables)
        askAt = performance.now() + askEveryMs
      }
      const { waiting, longestMs, isInHand, blockers } = readWaiting((await send(question)).rows[0])
      // What was asked for before the end may not be told after it: the session may serve somebody else by then.
      if (this.#over.aborted) return
      if (waiting > 0 && (isInHand || longestMs + everyMs >= mostMs)) {
        const ranMs = Math.round(performance.now() - this.#began)
        // From here: a connection of its own takes long to open when many wait, or a pooler has none.
        this.#cancelling = send(toText(cancelSession(pid))).then(
          () => undefined,
          () => undefined,
        )
        this.#watched.giveWay(new GaveWay(sessionsWaited(waiting, longestMs), { blockers, ranMs }))
        return this.#cancelling
      }
      await sleep(everyMs, undefined, { signal: this.#over }).catch(() => undefined)
    }
  }

  /** Who came later is not waited for. */
  async #askWhoIsInTheWay(tables: readonly TableName[]): Promise<void> {
    const forMs = performance.now() - this.#began
    const { rows } = await this.#open.send(toText(lockHolders(tables)))
    const holders = rows
      .flatMap(readHolder)
      .filter(({ pid, ageMs }) => pid !== this.#watched.pid && (ageMs === undefined || ageMs >= forMs))
    if (holders.length > 0) this.#watched.inTheWay?.(holders)
  }
}
