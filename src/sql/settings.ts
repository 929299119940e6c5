import { heldLockTimeoutMs } from '../plan/lock-limit.ts'
import type { Sql } from './sql.ts'
import { join, literal, sql } from './sql.ts'

/** How long the tool's own statements may wait and run. The one place where timeouts come from. */
export interface DdlLimits {
  /** The longest wait for one lock. Whoever queues behind the wait waits as long. */
  readonly lockTimeoutMs: number
  /** Why that is less than configured, in words; said wherever it is named. */
  readonly whyHeld?: string
  /** The longest run of one statement, because lock waits add up and a scan under a lock is a wait for others. */
  readonly statementTimeoutMs: number
}

/** The lock timeout as the server gets it. */
export function lockTimeoutFor({ lockTimeoutMs }: DdlLimits, deadlockTimeoutMs: number): number {
  return heldLockTimeoutMs(lockTimeoutMs, deadlockTimeoutMs)
}

/**
 * Locks are held until a synchronous standby has answered to the COMMIT, for as long as that takes. What is lost with a
 * primary that fails before is done again by the next run.
 */
const commitLocally: Sql = sql`pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'off' ELSE 'local' END, true)`

/**
 * The settings of a transaction that changes something, local to it.
 *
 * The zone is UTC, so that a bound reads as it was planned; `ddlTimezone` comes right before the statement that
 * attaches. `row_security = off` makes a row-level security policy an error where it would otherwise hide rows.
 */
export function transactionSettings(limits: DdlLimits, deadlockTimeoutMs: number): Sql {
  const [first, ...rest] = (
    [
      ['lock_timeout', `${lockTimeoutFor(limits, deadlockTimeoutMs)}ms`],
      ['statement_timeout', `${limits.statementTimeoutMs}ms`],
      ['search_path', 'pg_catalog, pg_temp'],
      ['TimeZone', 'UTC'],
      ['DateStyle', 'ISO, YMD'],
      ['standard_conforming_strings', 'on'],
      ['row_security', 'off'],
    ] as const
  ).map(([name, value]) => sql`pg_catalog.set_config(${literal(name)}, ${literal(value)}, true)`)
  return sql`SELECT ${rest.reduce((list, call) => sql`${list}, ${call}`, first ?? sql`1`)}, ${commitLocally}`
}

/**
 * From the first lock of a transaction on. What its statements lock by themselves was locked before them, as far as the
 * role may; where somebody came in between, they practically do not wait. It is the least that there is.
 */
export const holdFast: Sql = sql`SELECT pg_catalog.set_config('lock_timeout', '1ms', true)`

/**
 * The settings of a transaction that reads rows of a user's table: it waits a second at most for whoever has it locked.
 *
 * With `row_security = off` a policy that hides rows is an error; otherwise they would count as not there. A scan of a
 * large table begins at its beginning, not where the last one of anybody has come to, so that it finds the same again.
 */
export const readingSettings: Sql = sql`
SELECT pg_catalog.set_config('row_security', 'off', true), pg_catalog.set_config('synchronize_seqscans', 'off', true),
       pg_catalog.set_config('lock_timeout', greatest(1, least(1000, s.setting::int * 8 / 10))::text, true)
FROM pg_catalog.pg_settings s WHERE s.name = 'deadlock_timeout'`

/**
 * How long a statement may wait that nobody queues behind: as long as the deadlock detector lets it, and half as long as
 * others may run. It may wait for one after the other, each time as long as `lockTimeoutMs` says, and so all have a limit.
 */
export function patientLimits(limits: DdlLimits, deadlockTimeoutMs: number): DdlLimits {
  const half = Math.max(limits.lockTimeoutMs, Math.floor(limits.statementTimeoutMs / 2))
  const patience = lockTimeoutFor({ ...limits, lockTimeoutMs: half }, deadlockTimeoutMs)
  return { lockTimeoutMs: Math.max(1, Math.floor(patience * 0.9)), statementTimeoutMs: patience }
}

/** What every statement may wait and run. */
export function commonLimits(limits: DdlLimits, deadlockTimeoutMs: number): DdlLimits {
  return { ...limits, lockTimeoutMs: lockTimeoutFor(limits, deadlockTimeoutMs) }
}

/** Gives the next statement of the transaction limits of its own. */
export function waitPatiently({ lockTimeoutMs, statementTimeoutMs }: DdlLimits): Sql {
  const one = literal(`${lockTimeoutMs}ms`)
  const all = literal(`${statementTimeoutMs}ms`)
  return sql`SELECT pg_catalog.set_config('lock_timeout', ${one}, true), pg_catalog.set_config('statement_timeout', ${all}, true)`
}

/**
 * Turns timeouts of the session off and remembers them in the session itself, until `turnBackOn` puts them back.
 *
 * RESET would not do: it puts back what the role has, not what the application has SET. A timeout that this server
 * does not know is left out. Answers with a row for each that was on.
 */
export function turnOff(timeouts: readonly TimeoutName[]): Sql {
  return sql`SELECT pg_catalog.set_config(${was}, s.setting, false) AS was, pg_catalog.set_config(s.name, '0', false) AS set FROM pg_catalog.pg_settings s WHERE s.name IN (${list(timeouts)}) AND s.setting <> '0'`
}

export function turnBackOn(timeouts: readonly TimeoutName[]): Sql {
  return sql`SELECT pg_catalog.set_config(s.name, pg_catalog.current_setting(${was}), false) AS set, pg_catalog.set_config(${was}, '', false) AS was FROM pg_catalog.pg_settings s WHERE s.name IN (${list(timeouts)}) AND pg_catalog.current_setting(${was}, true) <> ''`
}

/**
 * Has the server look every second, while a statement waits, whether its client is still there. A wait without a limit
 * would outlive a client that was killed, and with it the lock request that others queue behind.
 *
 * Some platforms cannot tell (SQLSTATE 22023). Put back by `turnBackOn([clientCheck])`.
 */
export const watchClient: Sql = sql`SELECT pg_catalog.set_config('pg_partsmith.was_client_connection_check_interval', pg_catalog.current_setting('client_connection_check_interval'), false) AS was, pg_catalog.set_config('client_connection_check_interval', '1s', false) AS set`

export const clientCheck = 'client_connection_check_interval'

/**
 * What can end a single statement, or the session that runs it. DETACH CONCURRENTLY runs without any of them: cut short
 * it would stay pending, with its rows invisible, and nobody queues behind its wait on the parent.
 */
export const statementTimeouts: readonly TimeoutName[] = [
  'lock_timeout',
  'statement_timeout',
  // From PostgreSQL 17 on.
  'transaction_timeout',
]

export type TimeoutName =
  | 'lock_timeout'
  | 'statement_timeout'
  | 'transaction_timeout'
  | 'idle_session_timeout'
  | 'client_connection_check_interval'

const was: Sql = sql`'pg_partsmith.was_' OPERATOR(pg_catalog.||) s.name`

function list(names: readonly string[]): Sql {
  return join(names.map(literal), sql`, `)
}
