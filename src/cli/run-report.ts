import {
  type DocumentTable,
  type FleetInspection,
  LockAcquisitionError,
  type MaintenanceResult,
  type OperationOutcome,
  type RunOutcome,
} from '../index.ts'
import { exitCodeOfRun, isLockedForLong } from './failure-code.ts'
import type { Hide } from './failure.ts'
import type { TableObservation } from './render/metrics.ts'
import { tableText } from './render/printable.ts'
import { counted } from './render/quantities.ts'
import { renderRun, summarizeRuns } from './render/run-result.ts'
import type { TableReport } from './report.ts'
import type { RunOptions } from './table-options.ts'
import type { Workspace } from './workspace.ts'

/** What `apply` and `maintain` are told, and whether to look at the tables again for the metrics. */
export interface RunRequest extends RunOptions {
  readonly observe: boolean
}

export interface RunTableReport extends TableReport {
  readonly result: MaintenanceResult
  /** Operations that were not carried out because they take rows away and nobody allowed that. */
  readonly withheld: number
  /** Whether another maintainer was at work, so that nothing was done here. */
  readonly locked: boolean
}

/** The reports about what a fleet run did, one for each table. */
export async function reportRuns(
  workspace: Workspace,
  request: RunRequest,
  runs: { readonly tables: readonly DocumentTable[]; readonly outcomes: readonly RunOutcome[] },
): Promise<readonly RunTableReport[]> {
  const seen = request.observe ? await observe(workspace, runs.tables) : undefined
  return runs.tables.flatMap((table, index) => {
    const outcome = runs.outcomes[index]
    return outcome ? [reportRun(workspace, request, { table, outcome, observed: seen?.[index] })] : []
  })
}

function reportRun(
  workspace: Workspace,
  request: RunRequest,
  run: {
    readonly table: DocumentTable
    readonly outcome: RunOutcome
    readonly observed: FleetInspection | undefined
  },
): RunTableReport {
  const { config } = run.table
  const { error } = run.outcome
  const locked = error instanceof LockAcquisitionError
  const gated = !isAllowed(request, run.table)
  const result = withAdvice(withoutPasswords(run.outcome.result, workspace.hide), error)
  // Without a plan there was no run: the error is why the table could not even be looked at.
  const begun = error === undefined || result.plan !== undefined
  const seen = request.observe ? observationOf(run.observed) : { up: true }
  return {
    table: config.table,
    exitCode: exitCodeOfRun(result, error, { okIfLocked: request.okIfLocked, gated }),
    lines: (page) =>
      begun || locked ? renderRun({ ...run.table, result, locked, quiet: request.quiet }, page) : [],
    ...(begun || locked ? {} : { error }),
    fields: { result },
    observed: { table: config.table, ...seen, result, locked },
    result,
    locked,
    withheld: gated ? result.withheldCount : 0,
  }
}

/** What to do about a run that has held the lock for too long to be fine. */
function withAdvice(result: MaintenanceResult, error: unknown): MaintenanceResult {
  if (!isLockedForLong(error) || result.error === undefined) return result
  const advice =
    'That is more than an hour ago: it probably waits for somebody, and what is due here is not done meanwhile. `pg-partsmith plan --locks` shows who is in the way; end that session, or the other run.'
  return { ...result, error: `${result.error} ${advice}` }
}

/** Whether rows may be taken away: by the flag, or because the configuration says so of the table. */
export function isAllowed(request: RunRequest, table: DocumentTable): boolean {
  return request.allowDestructive || table.allowDestructive
}

/** How the tables are afterwards; nothing where it is not asked any more. */
async function observe(
  { partsmith, io }: Workspace,
  tables: readonly DocumentTable[],
): Promise<readonly FleetInspection[]> {
  if (io.signal.aborted) return []
  return partsmith.inspectFleet(
    tables.map(({ config }) => config),
    { signal: io.signal },
  )
}

/** What cannot be seen now is left out; the run itself is reported in any case. */
function observationOf(seen: FleetInspection | undefined): Omit<TableObservation, 'table'> {
  if (!seen || 'error' in seen) return { up: false }
  return { up: true, plan: seen.plan, inspection: seen.inspection }
}

/** A statement of the server can name what is in a connection string. */
export function withoutPasswords(result: MaintenanceResult, hide: Hide): MaintenanceResult {
  return {
    ...result,
    issues: result.issues.map((issue) => ({ ...issue, message: hide(issue.message) })),
    operations: result.operations.map((outcome) => withoutPasswordsIn(outcome, hide)),
    ...(result.error !== undefined && { error: hide(result.error) }),
  }
}

function withoutPasswordsIn(outcome: OperationOutcome, hide: Hide): OperationOutcome {
  const { message, waited } = outcome
  return {
    ...outcome,
    ...(message !== undefined && { message: hide(message) }),
    ...(waited && {
      waited: {
        ...waited,
        inTheWay: waited.inTheWay.map((holder) => ({
          ...holder,
          ...(holder.query !== undefined && { query: hide(holder.query) }),
        })),
      },
    }),
  }
}

export interface RunsToClose {
  readonly reports: readonly RunTableReport[]
  /** Counts those that never came to a run, too. */
  readonly tables: number
  /** Whether a saved plan was carried out, which holds only once. */
  readonly saved: boolean
}

/** The sentence that ends the text of a run. */
export function closingOfRuns({ reports, tables, saved }: RunsToClose): string {
  const withheld = reports.reduce((sum, report) => sum + report.withheld, 0)
  const operations = reports.flatMap(({ result }) => result.operations)
  const undone = operations.filter(({ status }) => !['done', 'raced', 'withheld'].includes(status)).length
  const broken = reports.filter(isBroken).length + tables - reports.length
  const locked = reports.filter((report) => report.locked).length
  const toSee = reports.flatMap(({ result }) => result.findings).filter(({ severity }) => severity !== 'info')
  return [
    summarizeRuns(reports.map(({ result }) => result)),
    ...(undone > 0
      ? [`${counted(undone, 'operation')} ${undone === 1 ? 'was' : 'were'} not carried out.`]
      : []),
    ...(reports.some(({ result }) => result.operations.some(({ begun }) => begun === true))
      ? ['A concurrent detach was cut short and may be pending; the next run finishes it.']
      : []),
    ...(locked > 0
      ? [
          `${counted(locked, 'table')} ${locked === 1 ? 'was' : 'were'} left to another maintainer, which holds ${locked === 1 ? 'its lock' : 'their locks'}.`,
        ]
      : []),
    ...(toSee.length > 0 ? [`A person is needed for ${counted(toSee.length, 'finding')}.`] : []),
    ...(broken > 0
      ? [`In ${counted(broken, 'table')} something failed or was refused${named(reports)}.`]
      : []),
    ...(withheld > 0
      ? [
          `${counted(withheld, 'operation')} ${withheld === 1 ? 'was' : 'were'} withheld, because rows would be taken away: ${saved && reports.some(isSpent) ? 'this plan does not hold any more, so make a new one with `plan --save` and carry it out with --allow-destructive' : 'look at the plan, then run again with --allow-destructive'}, or set allowDestructive for the table in the configuration.`,
        ]
      : []),
  ].join(' ')
}

function isBroken({ result, locked }: RunTableReport): boolean {
  return !result.success && !locked
}

/** Which tables those are, where there are several in the report; of many the first. */
function named(reports: readonly RunTableReport[]): string {
  const broken = reports.filter(isBroken)
  if (broken.length === 0 || reports.length === 1) return ''
  const names = broken.map(({ table }) => tableText(table))
  const more = names.length - mostNamed
  return `: ${names.slice(0, mostNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

const mostNamed = 20

/** Carried out in part, the plan of a table does not fit what is there any more. */
function isSpent({ withheld, result }: RunTableReport): boolean {
  return withheld > 0 && result.operations.some(({ status }) => status !== 'not-run' && status !== 'withheld')
}
