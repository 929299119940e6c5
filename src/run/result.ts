import type { Finding } from '../plan/finding.ts'
import type { OperationKind } from '../plan/operation.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import type { TableName } from '../model/table-name.ts'
import type { OperationWait } from './operation-course.ts'

/** Where in a run something went wrong. */
export type MaintenanceIssueStep =
  | 'config'
  | 'lock'
  | 'read'
  | 'plan'
  | 'hook'
  | 'create'
  | 'attach'
  | 'finalize'
  | 'detach'
  | 'drop'
  | 'unmark'
  | 'readmit'

/** One thing that went wrong in a run, with the sentence for a person. */
export interface MaintenanceIssue {
  readonly step: MaintenanceIssueStep
  /** `error` makes `success` false; `warning` (a failed `after*` hook) does not. */
  readonly severity: 'error' | 'warning'
  readonly partition?: TableName
  readonly message: string
  /** The `code` of the error: one of the library's, or a SQLSTATE. */
  readonly code?: string
}

/** What became of one operation of the plan. */
export interface OperationOutcome {
  readonly id: string
  readonly kind: OperationKind
  readonly partition: TableName
  /**
   * `done`: carried out. `raced`: another maintainer did the same first. `refused`: a guard or a hook said no.
   * `failed`: the server said no. `withheld`: it takes rows out of reach, and that was not allowed. `not-run`: it was not
   * come to, or what it rests on did not happen.
   */
  readonly status: 'done' | 'raced' | 'refused' | 'failed' | 'withheld' | 'not-run'
  readonly durationMs: number
  /** Rows moved out of DEFAULT. */
  readonly rowsMoved?: number
  /** Who was in the way, how often it gave way and how long it waited; left out where nothing was waited for. */
  readonly waited?: OperationWait
  /** It failed after a concurrent detach was begun, which may be pending; the next run finishes it. */
  readonly begun?: true
  /** Why it was refused, failed or not run. */
  readonly message?: string
}

/** What a run did to one table; of the same shape whether it succeeded or not. */
export interface MaintenanceResult {
  readonly table: TableName
  readonly success: boolean
  readonly createdCount: number
  readonly attachedCount: number
  readonly finalizedCount: number
  readonly detachedCount: number
  readonly droppedCount: number
  readonly operations: readonly OperationOutcome[]
  readonly findings: readonly Finding[]
  readonly issues: readonly MaintenanceIssue[]
  /**
   * Operations that take rows out of reach and were not allowed; each is among `operations` as `withheld`. Those that a
   * run which ended early never came to are not counted.
   */
  readonly withheldCount: number
  /** The sentence of the error that ended the run, if one did. */
  readonly error?: string
  /** The `code` of that error. */
  readonly errorCode?: string
  readonly durationMs: number
  /** The (first) plan of the run, where it came that far. */
  readonly plan?: MaintenancePlan
}
