import type { ShortLimit } from '../sql/session-limits.ts'
import { askSession, lowerLimits, raiseLimits, shortLimits } from '../sql/session-limits.ts'
import { toText } from '../sql/sql.ts'
import type { DatabaseClient, QueryResult } from './client.ts'
import { hasSqlState, sqlStateOf } from './sql-state.ts'

type Send = (text: string) => Promise<QueryResult>

/** A connection, as far as it is asked who it is. */
export interface Asking {
  readonly client: DatabaseClient
  readonly send: Send
  /** The process that the server named when the connection was opened; some drivers know it after a first answer. */
  openedWith(): number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface OpenedSession {
  readonly pid: number
  /** Another process answers than the one that the connection was opened with. */
  readonly isPooled: boolean
  /** Puts the session's own timeouts back; undefined when none was changed. */
  readonly putBack: string | undefined
}

/** With a timeout of 1 ms even a short statement is cut now and then: in a new session, and on a busy machine. */
const mostTries = 20

/** For so long a session counts as it was found: an application that shares the pool may change its timeouts. */
const rememberedMs = 1_000

/** Sessions on the server itself whose timeouts are long enough: when they were asked, by process. */
const asked = new WeakMap<DatabaseClient, Map<number, number>>()

function isRemembered(client: DatabaseClient, pid: number): boolean {
  return performance.now() - (asked.get(client)?.get(pid) ?? -Infinity) < rememberedMs
}

function remember(client: DatabaseClient, pid: number): void {
  const now = performance.now()
  const known = [...(asked.get(client) ?? [])].filter(([, at]) => now - at < rememberedMs)
  asked.set(client, new Map([...known, [pid, now]]))
}

/**
 * Asks a session who it is, and has it stand the tool's own statements, whatever timeouts its role has.
 *
 * Through a pooler nothing is raised: what is SET in a session would come to the next client of the pooler.
 */
export async function openSession(asking: Asking): Promise<OpenedSession> {
  const { client, send, signal } = asking
  const before = asking.openedWith()
  if (before !== undefined && isRemembered(client, before)) {
    return { pid: before, isPooled: false, putBack: undefined }
  }
  const { pid, short } = await untilDone(() => ask(send), signal)
  const named = asking.openedWith()
  if (named !== undefined && named !== pid) return { pid, isPooled: true, putBack: undefined }
  if (short.length === 0) {
    if (named === pid) remember(client, pid)
    return { pid, isPooled: false, putBack: undefined }
  }
  await untilDone(() => send(toText(raiseLimits(short, 'session'))), signal)
  return { pid, isPooled: false, putBack: toText(lowerLimits(short)) }
}

/**
 * Begins a transaction through a pooler, and answers with the process that it is in. The timeouts that are too short
 * are raised until its end.
 */
export async function beginPooled(
  { send, signal }: Pick<Asking, 'send' | 'signal'>,
  begin: string,
): Promise<number> {
  return untilDone(async () => {
    await send(begin)
    try {
      const { pid, short } = await ask(send)
      if (short.length > 0) await send(toText(raiseLimits(short, 'transaction')))
      return pid
    } catch (error) {
      if (isCut(error)) await send('ROLLBACK')
      throw error
    }
  }, signal)
}

interface Asked {
  readonly pid: number
  /** The timeouts under which the tool's own statements would not come to their end. */
  readonly short: readonly ShortLimit[]
}

async function ask(send: Send): Promise<Asked> {
  const [row] = (await send(toText(askSession))).rows
  return { pid: Number(row?.['pid']), short: shortLimits(row) }
}

async function untilDone<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries === mostTries || signal?.aborted === true || !isCut(error)) throw error
    }
  }
}

function isCut(error: unknown): boolean {
  return hasSqlState(error, 'queryCanceled')
}

const endedBy: Readonly<Record<string, string>> = {
  '25P03': 'idle_in_transaction_session_timeout',
  '25P04': 'transaction_timeout',
  '57P05': 'idle_session_timeout',
}

/** What to do about a session that the server ended because of a timeout that its role has; otherwise nothing. */
export function timeoutAdvice(error: unknown): string {
  const name = endedBy[sqlStateOf(error) ?? '']
  return name === undefined ? '' : ` Raise ${name} for the role (ALTER ROLE .. SET) and run again.`
}
