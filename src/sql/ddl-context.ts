import type { Instant } from '../model/instant.ts'
import type { DdlLimits } from './settings.ts'
import { transactionSettings } from './settings.ts'
import type { Action, TransactionStep } from './statement.ts'

/** What the statements of an operation depend on besides the operation. */
export interface DdlContext {
  readonly deadlockTimeoutMs: number
  /** Of those who use the database. */
  readonly shortestDeadlockTimeoutMs: number
  /** `<system identifier>/<database oid>`, for the marker. */
  readonly database: string
  readonly limits: DdlLimits
  readonly ddlTimezone: string | null
  readonly markerPrefix: string
  /** Stands in for the server's clock in a marker, where a run is given a clock. */
  readonly now?: Instant
  /** Drops tables without a marker of ours, too. */
  readonly dropAllowUnmanaged: boolean
}

export function transaction(context: DdlContext, label: string, actions: readonly Action[]): TransactionStep {
  return {
    kind: 'transaction',
    label,
    settings: transactionSettings(context.limits, context.deadlockTimeoutMs),
    actions,
  }
}

/** For what reads or indexes a large table, and keeps nobody waiting who uses it through the parent. */
export function forHours(context: DdlContext): DdlContext {
  return { ...context, limits: { ...context.limits, statementTimeoutMs: 6 * 3_600_000 } }
}
