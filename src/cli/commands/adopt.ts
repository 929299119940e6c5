import { type DocumentTable } from '../../index.ts'
import { CommandError } from '../command-error.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import type { ExitCode } from '../exit-code.ts'
import { printable, tableText } from '../render/printable.ts'
import { counted } from '../render/quantities.ts'
import { tableHeader } from '../render/table-header.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

/** Marks detached tables of one partitioned table as ones that may be dropped. */
export async function adoptTables(
  workspace: Workspace,
  partitions: readonly string[],
): Promise<CommandReport> {
  const { io, partsmith } = workspace
  refuseUnclear(workspace.tables, partitions)
  const tables = await eachTable(workspace, 'adopting in', async ({ config }): Promise<TableReport> => {
    for (const partition of partitions) {
      await partsmith.adoptPartition(config, partition, { signal: io.signal })
    }
    return {
      table: config.table,
      exitCode: 0,
      lines: (page) => [
        ...tableHeader(config, page),
        '',
        ...partitions.map((name) => `  ${page.style.good('adopted')}  ${printable(name)}`),
      ],
      fields: { adopted: partitions },
      observed: { table: config.table, up: true },
    }
  })
  const done = tables.every(({ exitCode }) => exitCode === 0)
  return {
    command: 'adopt',
    tables,
    closing: done
      ? `Marked ${counted(partitions.length, 'table')}; the grace period begins now.`
      : 'Not everything was marked.',
  }
}

/** A marker names one parent, so it must be clear which. */
function refuseUnclear(tables: readonly DocumentTable[], partitions: readonly string[]): void {
  const problem =
    partitions.length === 0
      ? 'No table to adopt was named. Name it with --partition, without its schema.'
      : tables.length === 1
        ? undefined
        : `It is not clear which table ${partitions.join(', ')} belonged to. Say it with --table: ${tables
            .map(({ config }) => tableText(config.table))
            .join(', ')}.`
  if (problem !== undefined) throw new CommandError(problem, { exitCode: 64, code: 'usage' })
}

/** Runs the command as the shell does. */
export async function runAdopt(
  table: TableOptions,
  { partitions }: { readonly partitions: readonly string[] },
  io: CommandIo,
): Promise<ExitCode> {
  return withWorkspace({ command: 'adopt', options: table, io }, (workspace) =>
    adoptTables(workspace, partitions),
  )
}

export const adoptCommand: CommandSpec = {
  name: 'adopt',
  summary: 'Mark a detached table as one that may be dropped.',
  description: `Only tables that were detached here and carry the marker are ever dropped. This marks one that was detached by hand or by another tool: its grace period begins now, and it is dropped after it. Its range is not known, so it is never attached again by itself. An attached table is refused.`,
  options: [
    ...tableOptions,
    {
      flags: '--partition <name>',
      description: `A detached table in the schema of the partitioned one, without the schema. May be given several times.`,
      repeatable: true,
    },
  ],
  examples: [
    {
      line: 'pg-partsmith adopt --table app.events --partition events_2019',
      what: 'events_2019 was a partition of app.events once, and may go',
    },
  ],
  exitCodes: [0, 3, 4, 5, 6],
  run: (given, io) => runAdopt(tableOptionsOf(given), { partitions: given.list('partition') }, io),
}
