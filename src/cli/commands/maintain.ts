import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import type { ExitCode } from '../exit-code.ts'
import type { CommandReport } from '../report.ts'
import { closingOfRuns, isAllowed, reportRun, type RunRequest, type RunTableReport } from '../run-report.ts'
import {
  type RunOptions,
  runOptions,
  runOptionsOf,
  type TableOptions,
  tableOptions,
  tableOptionsOf,
} from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

/** Plans and carries out, each table under one lock. */
export async function maintainTables(workspace: Workspace, request: RunRequest): Promise<CommandReport> {
  const { io, partsmith } = workspace
  const reports: RunTableReport[] = []
  const tables = await eachTable(workspace, 'maintaining', async (table) => {
    const outcome = await partsmith.service.run(table.config, {
      signal: io.signal,
      allowDestructive: isAllowed(request, table),
      continueOnError: request.continueOnError,
    })
    const report = await reportRun(workspace, request, { table, outcome })
    reports.push(report)
    return report
  })
  return {
    command: 'maintain',
    tables,
    closing: closingOfRuns({ reports, tables: tables.length, saved: false }),
  }
}

/** Runs the command as the shell does. */
export async function runMaintain(
  table: TableOptions,
  options: RunOptions & { readonly allowHooks: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  const { allowHooks, ...run } = options
  return withWorkspace({ command: 'maintain', options: table, io, allowHooks }, (workspace) =>
    maintainTables(workspace, { ...run, observe: table.output === 'metrics' }),
  )
}

export const maintainCommand: CommandSpec = {
  name: 'maintain',
  summary: 'Plan and apply under one lock, for cron and Kubernetes.',
  description:
    'Plans every table and carries the plan out under one lock, so that nothing can come in between. Run it from a scheduler, more often than a partition is long. A second run right after does nothing. Detaches and drops only with --allow-destructive, or where the configuration says `allowDestructive: true` of the table.',
  options: [...tableOptions, ...runOptions],
  examples: [
    { line: 'pg-partsmith maintain --allow-destructive --ok-if-locked', what: 'the line for cron' },
    {
      line: 'pg-partsmith maintain --output metrics --write /var/lib/node_exporter/partsmith.prom',
      what: 'metrics for the textfile collector',
    },
    { line: 'pg-partsmith maintain --allow-hooks', what: 'with the commands that the configuration names' },
  ],
  exitCodes: [0, 2, 3, 4, 5, 6],
  run: (given, io) =>
    runMaintain(tableOptionsOf(given), { ...runOptionsOf(given), allowHooks: given.flag('allowHooks') }, io),
}
