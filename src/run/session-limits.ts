import type { ShortLimit } from '../sql/session-limits.ts'
import { askSession, lowerLimits, raiseLimits, shortLimits } from '../sql/session-limits.ts'
import { toText } from '../sql/sql.ts'
import type { QueryResult } from './client.ts'
import { hasSqlState, sqlStateOf } from './sql-state.ts'

export interface OpenedSession {
  readonly pid: number
  /** Puts the session's own timeouts back; undefined when none was changed. */
  readonly putBack: string | undefined
}

/** With a timeout of 1 ms even a short statement is cut now and then: in a new session, and on a busy machine. */
const mostTries = 20

/** Asks a session who it is, and has it stand the tool's own statements, whatever timeouts its role has. */
export async function openSession(
  send: (text: string) => Promise<QueryResult>,
  signal?: AbortSignal,
): Promise<OpenedSession> {
  const [row] = (await untilDone(() => send(toText(askSession)), signal)).rows
  const short = shortLimits(row)
  if (short.length > 0) await untilDone(() => send(toText(raiseLimits(short))), signal)
  return { pid: Number(row?.['pid']), putBack: putBack(short) }
}

function putBack(short: readonly ShortLimit[]): string | undefined {
  return short.length === 0 ? undefined : toText(lowerLimits(short))
}

async function untilDone(
  work: () => Promise<QueryResult>,
  signal: AbortSignal | undefined,
): Promise<QueryResult> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work()
    } catch (error) {
      if (tries === mostTries || signal?.aborted === true || !hasSqlState(error, 'queryCanceled')) throw error
    }
  }
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
