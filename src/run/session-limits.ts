import type { ShortLimit } from '../sql/session-limits.ts'
import { askSession, lowerLimits, raiseLimits, shortLimits } from '../sql/session-limits.ts'
import { toText } from '../sql/sql.ts'
import type { QueryResult } from './client.ts'
import { hasSqlState, sqlStateOf } from './sql-state.ts'

type Send = (text: string) => Promise<QueryResult>

interface Asked {
  readonly pid: number
  /** The timeouts under which the tool's own statements would not come to their end. */
  readonly limits: readonly ShortLimit[]
}

/** With a timeout of 1 ms even a short statement is cut now and then: in a new session, and on a busy machine. */
const mostTries = 20

export async function askWhoItIs(send: Send, signal?: AbortSignal): Promise<Asked> {
  return untilDone(() => ask(send), signal)
}

/** Has a session stand the tool's statements, until the text that this gives is sent; undefined with nothing to raise. */
export async function raiseForSession(
  send: Send,
  limits: readonly ShortLimit[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  if (limits.length === 0) return undefined
  await untilDone(() => send(toText(raiseLimits(limits, 'session'))), signal)
  return toText(lowerLimits(limits))
}

/**
 * Begins a transaction that stands the tool's statements, and answers with the process that it is in.
 *
 * What is raised ends with the transaction, so nothing of it comes to the next client of a pooler.
 */
export async function beginStanding(send: Send, begin: string, signal?: AbortSignal): Promise<number> {
  return untilDone(async () => {
    await send(begin)
    try {
      const { pid, limits } = await ask(send)
      if (limits.length > 0) await send(toText(raiseLimits(limits, 'transaction')))
      return pid
    } catch (error) {
      if (isCut(error)) await send('ROLLBACK')
      throw error
    }
  }, signal)
}

async function ask(send: Send): Promise<Asked> {
  const [row] = (await send(toText(askSession))).rows
  return { pid: Number(row?.['pid']), limits: shortLimits(row) }
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
