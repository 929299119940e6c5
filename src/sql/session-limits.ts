import type { Sql } from './sql.ts'
import { ident, join, literal, sql } from './sql.ts'

/**
 * The least that a session's own timeouts must allow, in milliseconds. A role can have shorter ones, under which no
 * statement would come to its end, or the session would be ended between two of them. Longer ones stay as they are.
 */
const leastMs = {
  statement_timeout: 10_000,
  lock_timeout: 200,
  idle_in_transaction_session_timeout: 10_000,
  idle_session_timeout: 10_000,
  // From PostgreSQL 17 on.
  transaction_timeout: 30_000,
} as const

type LimitName = keyof typeof leastMs

const names: readonly LimitName[] = [
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
  'transaction_timeout',
]

/** A timeout that is too short, as the session had it. */
export interface ShortLimit {
  readonly name: LimitName
  readonly was: string
}

/** Asks for the session's process and its timeouts, in a way that is over quickly: it may run under a timeout of 1 ms. */
export const askSession: Sql = sql`SELECT pg_catalog.pg_backend_pid()::pg_catalog.text AS pid, ${join(
  names.map((name) => sql`pg_catalog.current_setting(${literal(name)}, true) AS ${ident(name)}`),
  sql`, `,
)}`

export function shortLimits(row: Readonly<Record<string, unknown>> | undefined): readonly ShortLimit[] {
  return names.flatMap((name) => {
    const was = row?.[name]
    const ms = typeof was === 'string' ? inMs(was) : undefined
    return typeof was === 'string' && ms !== undefined && ms > 0 && ms < leastMs[name] ? [{ name, was }] : []
  })
}

/** Raises them for the rest of the session, or of the transaction. */
export function raiseLimits(limits: readonly ShortLimit[], until: 'session' | 'transaction'): Sql {
  return setAll(
    limits.map(({ name }) => [name, `${leastMs[name]}ms`]),
    until,
  )
}

export function lowerLimits(limits: readonly ShortLimit[]): Sql {
  return setAll(
    limits.map(({ name, was }) => [name, was]),
    'session',
  )
}

/**
 * Has the server end the session when it hears nothing for so long between two statements of this transaction: a process
 * that is paused or busy lets nobody wait behind its locks for longer. Shorter than what the role has, or what
 * `raiseLimits` has made of it.
 */
export function endWhenIdle(ms: number): Sql {
  return setAll([['idle_in_transaction_session_timeout', `${Math.ceil(ms)}ms`]], 'transaction')
}

function setAll(
  values: readonly (readonly [name: LimitName, value: string])[],
  until: 'session' | 'transaction',
): Sql {
  const local = until === 'transaction' ? sql`true` : sql`false`
  const calls = values.map(
    ([name, value]) => sql`pg_catalog.set_config(${literal(name)}, ${literal(value)}, ${local})`,
  )
  return sql`SELECT ${join(calls, sql`, `)}`
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** The server shows a time with the largest unit that keeps it whole, and 0 without one. */
function inMs(shown: string): number | undefined {
  const [, digits, unit] = /^(\d+)(ms|s|min|h|d)$/.exec(shown) ?? []
  return digits === undefined || unit === undefined ? undefined : Number(digits) * (unitMs[unit] ?? 0)
}
