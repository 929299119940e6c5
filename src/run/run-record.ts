import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { PartitionError } from '../errors.ts'
import type { Finding } from '../plan/finding.ts'
import type { Operation, OperationKind } from '../plan/operation.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import type { MaintenanceIssue, MaintenanceIssueStep, MaintenanceResult, OperationOutcome } from './result.ts'
import { describeError, sqlStateOf } from './sql-state.ts'

/** Collects what happens in a run and gives the result, of the same shape however the run ended. */
export class RunRecord {
  readonly table: TableName
  readonly #started = performance.now()
  readonly #outcomes: OperationOutcome[] = []
  readonly #issues: MaintenanceIssue[] = []
  #findings: readonly Finding[] = []
  #plan: MaintenancePlan | undefined
  #withheld = 0
  #error: unknown

  constructor(table: TableName) {
    this.table = table
  }

  /** The error that ended the run, if one did. */
  get error(): unknown {
    return this.#error
  }

  /** Whether an operation was refused or failed. */
  get failed(): boolean {
    return this.#issues.some(({ severity }) => severity === 'error')
  }

  /** Takes the findings of the newest plan and keeps the first plan. */
  planned(plan: MaintenancePlan): void {
    this.#plan ??= plan
    this.#findings = plan.findings
  }

  outcome(operation: Operation, outcome: Omit<OperationOutcome, 'id' | 'kind' | 'partition'>): void {
    this.#outcomes.push({
      id: operation.id,
      kind: operation.kind,
      partition: operation.partition,
      ...outcome,
    })
  }

  withheld(operation: Operation, message: string): void {
    this.#withheld++
    this.outcome(operation, { status: 'withheld', durationMs: 0, message })
  }

  issue(step: MaintenanceIssueStep, about: { error: unknown; partition?: TableName }): void {
    this.#issues.push({
      step,
      severity: 'error',
      message: describeError(about.error),
      ...codeOf(about.error),
      ...(about.partition && { partition: about.partition }),
    })
  }

  warning(step: MaintenanceIssueStep, about: { message: string; partition: TableName }): void {
    this.#issues.push({ step, severity: 'warning', ...about })
  }

  /** Whether the partition's operation of this kind was carried out (by us or by another) in this run. */
  succeeded(kind: OperationKind, partition: TableName): boolean {
    const name = formatTableName(partition)
    return this.#outcomes.some(
      (outcome) =>
        outcome.kind === kind &&
        formatTableName(outcome.partition) === name &&
        (outcome.status === 'done' || outcome.status === 'raced'),
    )
  }

  /** What a plan finds is so before its operations; one of them may have put an end to it. */
  #isSettled({ code, relation }: Finding): boolean {
    return code === 'range-excluded' && relation !== undefined && this.succeeded('readmit', relation)
  }

  /** Remembers the error that ends the run; the first one counts. */
  ended(error: unknown): void {
    // What counts as an error afterwards is that there is one.
    this.#error ??= error ?? new PartitionError(`The run ended because ${describeError(error)}.`)
  }

  result(): MaintenanceResult {
    const count = (kind: OperationKind): number =>
      this.#outcomes.filter((outcome) => outcome.kind === kind && outcome.status === 'done').length
    const failed = this.#error !== undefined || this.failed
    return {
      table: this.table,
      success: !failed,
      createdCount: count('create'),
      attachedCount: count('attach'),
      finalizedCount: count('finalize'),
      detachedCount: count('detach'),
      droppedCount: count('drop'),
      operations: this.#outcomes,
      findings: this.#findings.filter((found) => !this.#isSettled(found)),
      issues: this.#issues,
      withheldCount: this.#withheld,
      ...(this.#error !== undefined && { error: describeError(this.#error), ...errorCode(this.#error) }),
      durationMs: Math.round(performance.now() - this.#started),
      ...(this.#plan && { plan: this.#plan }),
    }
  }
}

function errorCode(error: unknown): { errorCode?: string } {
  const { code } = codeOf(error)
  return code === undefined ? {} : { errorCode: code }
}

function codeOf(error: unknown): { code?: string } {
  const code = error instanceof PartitionError ? error.code : sqlStateOf(error)
  return code === undefined ? {} : { code }
}
