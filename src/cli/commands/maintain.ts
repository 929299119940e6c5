import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { type ExitCode, needsWriting } from '../exit-code.ts'
import { renderRuns } from '../render/fleet-run.ts'
import type { CommandReport } from '../report.ts'
import { runFleet } from '../run-fleet.ts'
import { closingOfRuns, isAllowed, reportRuns, type RunRequest } from '../run-report.ts'
import {
  type RunOptions,
  runOptions,
  runOptionsOf,
  type TableOptions,
  tableOptions,
  tableOptionsOf,
} from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

/** Plans and carries out, each table that has something to do under its own lock. */
export async function maintainTables(workspace: Workspace, request: RunRequest): Promise<CommandReport> {
  const { tables } = workspace
  const outcomes = await runFleet(workspace, {
    doing: 'maintaining',
    targets: tables.map((table) => ({ config: table.config, allowDestructive: isAllowed(request, table) })),
    concurrency: request.concurrency,
    continueOnError: request.continueOnError,
  })
  const reports = await reportRuns(workspace, request, { tables, outcomes })
  return {
    command: 'maintain',
    tables: reports,
    closing: closingOfRuns({ reports, tables: tables.length, saved: false }),
    sections: (page) => renderRuns(reports, page, { quiet: request.quiet, all: workspace.verbose }),
  }
}

/** Runs the command as the shell does. */
export async function runMaintain(
  table: TableOptions,
  options: RunOptions & { readonly allowHooks: boolean },
  io: CommandIo,
): Promise<ExitCode> {
  const { allowHooks, ...run } = options
  return withWorkspace(
    { command: 'maintain', options: table, io, allowHooks, concurrency: run.concurrency },
    (workspace) => maintainTables(workspace, { ...run, observe: table.output === 'metrics' }),
  )
}

export const maintainCommand: CommandSpec = {
  name: 'maintain',
  summary: 'Plan and apply under one lock, for cron and Kubernetes.',
  description:
    'Looks at all tables together and, where something is due, plans the table again under its lock and carries the plan out, so that nothing can come in between. A table that is as wanted takes no lock; one with something to do, or with a warning, does. Run it from a scheduler, more often than a partition is long. A second run right after does nothing. Detaches and drops only with --allow-destructive, or where the configuration says `allowDestructive: true` of the table.',
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
  meanings: needsWriting,
  run: (given, io) =>
    runMaintain(tableOptionsOf(given), { ...runOptionsOf(given), allowHooks: given.flag('allowHooks') }, io),
}
