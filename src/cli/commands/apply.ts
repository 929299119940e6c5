import { type DocumentTable, formatTableName, type MaintenancePlan, PlanMismatchError } from '../../index.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { type ExitCode, needsWriting } from '../exit-code.ts'
import { readPlanFile } from '../plan-file.ts'
import { tableText } from '../render/printable.ts'
import { renderRuns } from '../render/fleet-run.ts'
import type { CommandReport } from '../report.ts'
import { runFleet } from '../run-fleet.ts'
import { closingOfRuns, isAllowed, reportRuns, type RunRequest, type RunTableReport } from '../run-report.ts'
import {
  type RunOptions,
  runOptions,
  runOptionsOf,
  type TableOptions,
  tableOptions,
  tableOptionsOf,
} from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

export interface ApplyRequest extends RunRequest {
  /** Saved plans; without them every table is planned now. */
  readonly plans?: readonly MaintenancePlan[] | undefined
}

/** Carries out saved plans, or plans and carries out; each table under its own lock. */
export async function applyPlans(workspace: Workspace, request: ApplyRequest): Promise<CommandReport> {
  const { plans, continueOnError, concurrency } = request
  const tables = plans ? tablesOf(plans, workspace.tables) : workspace.tables
  const outcomes = await runFleet(workspace, {
    doing: 'applying',
    targets: tables.map((table) => {
      const plan = plans?.find((saved) => isPlanOf(saved, table))
      return { config: table.config, allowDestructive: isAllowed(request, table), ...(plan && { plan }) }
    }),
    concurrency,
    continueOnError,
  })
  const reports = await reportRuns(workspace, request, { tables, outcomes })
  const closing = closingOfRuns({ reports, tables: tables.length, saved: plans !== undefined })
  return {
    command: 'apply',
    tables: reports,
    closing: plans && finishedOne(reports) ? `${closing} ${moreIsPlanned}` : closing,
    sections: (page) => renderRuns(reports, page, { quiet: request.quiet, all: workspace.verbose }),
  }
}

/** What else expired could not be planned while a detach was pending; without a saved plan it is planned at once. */
const moreIsPlanned = 'A pending detach was finished; plan again for what had to wait for it.'

function finishedOne(reports: readonly RunTableReport[]): boolean {
  return reports.some(({ result }) => result.finalizedCount > 0)
}

/** The tables that the file has plans for; a plan for a table that was not asked for is left alone. */
function tablesOf(
  plans: readonly MaintenancePlan[],
  selected: readonly DocumentTable[],
): readonly DocumentTable[] {
  const found = selected.filter((table) => plans.some((plan) => isPlanOf(plan, table)))
  if (found.length > 0) return found
  throw new PlanMismatchError(
    `The plan is for ${plans.map(({ table }) => tableText(table)).join(', ')}, and none of the tables here is among them. Nothing was changed.`,
  )
}

function isPlanOf({ table }: MaintenancePlan, { config }: DocumentTable): boolean {
  return formatTableName(table) === formatTableName(config.table)
}

/** Runs the command as the shell does. */
export async function runApply(
  table: TableOptions,
  options: RunOptions & { readonly plan: string | undefined; readonly allowHooks: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  const { plan: file, allowHooks, ...run } = options
  let plans: readonly MaintenancePlan[] | undefined
  return withWorkspace(
    {
      command: 'apply',
      options: table,
      io,
      allowHooks,
      concurrency: run.concurrency,
      check: async () => {
        if (file !== undefined) plans = await readPlanFile(file, io.cwd)
      },
    },
    (workspace) => applyPlans(workspace, { ...run, plans, observe: table.output === 'metrics' }),
  )
}

export const applyCommand: CommandSpec = {
  name: 'apply',
  summary: 'Carry out a plan: the saved one, or one that is made now.',
  description:
    'Plans every table and carries the plan out under the lock of the table, or carries out the plans that `plan --save` saved. A saved plan is refused when the database or the configuration has moved on since. Detaches and drops only with --allow-destructive, or where the configuration says `allowDestructive: true` of the table.',
  options: [
    ...tableOptions,
    { flags: '--plan <file>', description: 'Carries out the plans in this file, and nothing else.' },
    ...runOptions,
  ],
  examples: [
    { line: 'pg-partsmith apply', what: 'create what is missing; what takes rows away is left and reported' },
    { line: 'pg-partsmith apply --allow-destructive', what: 'detach and drop what has expired, too' },
    {
      line: 'pg-partsmith apply --plan plan.json --allow-destructive',
      what: 'exactly what was reviewed; a table that has moved on since is left as it is',
    },
  ],
  exitCodes: [0, 2, 3, 4, 5, 6],
  meanings: {
    ...needsWriting,
    3: 'A person is needed: something was found, refused or failed, or the plan is stale.',
    4: 'The configuration, the plan file or a given file cannot be used.',
  },
  run: (given, io) =>
    runApply(
      tableOptionsOf(given),
      { ...runOptionsOf(given), plan: given.text('plan'), allowHooks: given.flag('allowHooks') },
      io,
    ),
}
