import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { PlanInput } from './survey.ts'

/**
 * Keeps the lock timeout below the server's deadlock timeout: a statement that waits longer makes the deadlock
 * detector choose, and what it chooses may be the application. A longer wait also cancels an autovacuum.
 */
export function heldLockTimeoutMs(lockTimeoutMs: number, deadlockTimeoutMs: number): number {
  return Math.max(1, Math.min(lockTimeoutMs, mostMsBelow(deadlockTimeoutMs)))
}

/** Why a lock timeout is shorter on this server than configured; undefined where it is not. */
export function whyHeld(lockTimeoutMs: number, deadlockTimeoutMs: number): string | undefined {
  const held = heldLockTimeoutMs(lockTimeoutMs, deadlockTimeoutMs)
  return held < lockTimeoutMs
    ? `lockTimeoutMs is ${lockTimeoutMs}, held to ${held} ms because deadlock_timeout is ${secondsText(deadlockTimeoutMs)} here`
    : undefined
}

type Limited = Pick<PlanInput, 'lockTimeoutMs' | 'tree'>

/** How long readers and writers may be made to wait on this server; without an end where nothing is configured. */
export function longestWaitMs({ lockTimeoutMs, tree }: Limited): number {
  if (lockTimeoutMs === undefined) return Infinity
  return heldLockTimeoutMs(lockTimeoutMs, tree.server.deadlockTimeoutMs)
}

/** How long one statement may run. */
export function longestStatementMs({
  statementTimeoutMs = 10_000,
}: Pick<PlanInput, 'statementTimeoutMs'>): number {
  return statementTimeoutMs
}

/** `the 100 ms that they may wait (lockTimeoutMs)`, and why it is less than configured where it is. */
export function describeLimit(input: Limited): string {
  const { lockTimeoutMs = Infinity, tree } = input
  const why = whyHeld(lockTimeoutMs, tree.server.deadlockTimeoutMs)
  return `the ${longestWaitMs(input)} ms that they may wait (${why ?? 'lockTimeoutMs'})`
}

/** It stands in another place of a configuration file than the options of a table. */
const ours = 'lockTimeoutMs (under runtime in a configuration file)'

/** What to raise for a wait of this length: `raise lockTimeoutMs`, which alone does not do above `deadlock_timeout`. */
export function raiseLimit({ lockTimeoutMs = Infinity, tree }: Limited, neededMs: number): string {
  const { deadlockTimeoutMs } = tree.server
  if (neededMs <= mostMsBelow(deadlockTimeoutMs)) return `raise ${ours}`
  const settings = neededMs <= lockTimeoutMs ? '' : `${ours} and `
  return `raise ${settings}deadlock_timeout (${secondsText(deadlockTimeoutMs)} here, and lockTimeoutMs stays below it)`
}

/** For whoever only looks: that the configured wait is not what this server gets. */
export function lockTimeoutHeld({ lockTimeoutMs = 0, tree }: Limited): readonly Finding[] {
  const { deadlockTimeoutMs } = tree.server
  const why = whyHeld(lockTimeoutMs, deadlockTimeoutMs)
  if (why === undefined) return []
  return [
    finding('lock-timeout-held', {
      message: `The configured ${why}: a longer wait would let the server end a session of the application as a deadlock.`,
      next: `Set lockTimeoutMs to ${heldLockTimeoutMs(lockTimeoutMs, deadlockTimeoutMs)} or less, or raise deadlock_timeout for the role that runs this.`,
    }),
  ]
}

function mostMsBelow(deadlockTimeoutMs: number): number {
  return Math.floor(deadlockTimeoutMs * 0.8)
}

function secondsText(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000} s` : `${ms} ms`
}
