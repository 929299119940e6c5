import {
  type Finding,
  LockAcquisitionError,
  type MaintenanceResult,
  PartitionError,
  type PartitionErrorCode,
} from '../index.ts'
import { CommandError } from './command-error.ts'
import { type ExitCode, worstOf } from './exit-code.ts'
import { StoppedBySignal } from './stop-signal.ts'

const codeOfError: Readonly<Record<PartitionErrorCode, ExitCode>> = {
  'partition-error': 3,
  'partition-already-exists': 3,
  // The table that the configuration names; a partition that is gone is refused and does not end a run.
  'partition-not-found': 4,
  'partition-attached': 3,
  'partition-detach-in-progress': 3,
  'partition-referenced': 3,
  'rows-in-default': 3,
  'invalid-config': 4,
  'lock-not-acquired': 6,
  'lock-lost': 3,
  'unmanaged-drop': 3,
  'plan-stale': 3,
  'plan-mismatch': 4,
  'plan-unreadable': 4,
  'refused-by-hook': 3,
  'server-unsupported': 5,
  'connection-failed': 5,
  // Our own signals are told apart before.
  aborted: 3,
  'lock-timeout': 3,
  'statement-timeout': 3,
  'access-denied': 3,
  'statement-failed': 3,
}

/** The code of an error that ended a command, or its work on one table. */
export function exitCodeOfError(error: unknown): ExitCode {
  if (error instanceof CommandError || error instanceof StoppedBySignal) return error.exitCode
  if (error instanceof PartitionError) return codeOfError[error.code]
  return 1
}

/** 3 where a person is needed: what is only good to know does not count. */
export function exitCodeOfFindings(findings: readonly Finding[]): ExitCode {
  return findings.some(({ severity }) => severity !== 'info') ? 3 : 0
}

/** A run that has been at work on one table for as long as this is waiting for somebody, and nobody may notice. */
export const longestFineRunMs = 3_600_000

/** Whether another run has held the lock for so long that a person is to look; no where that cannot be known. */
export function isLockedForLong(error: unknown): boolean {
  return error instanceof LockAcquisitionError && (error.heldForMs ?? 0) >= longestFineRunMs
}

/** The code of what a run did to one table; `error` is what ended it, if something did. */
export function exitCodeOfRun(
  result: MaintenanceResult,
  error: unknown,
  options: { readonly okIfLocked: boolean; readonly gated: boolean },
): ExitCode {
  if (error instanceof LockAcquisitionError && options.okIfLocked && !isLockedForLong(error)) return 0
  return worstOf([
    error === undefined ? 0 : exitCodeOfError(error),
    result.issues.length > 0 || result.operations.some(({ status }) => status === 'refused') ? 3 : 0,
    exitCodeOfFindings(result.findings),
    (options.gated && result.withheldCount > 0) ||
    result.operations.some(({ status }) => status === 'not-run' || status === 'withheld')
      ? 2
      : 0,
  ])
}
