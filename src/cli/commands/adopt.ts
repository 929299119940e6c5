import { type AdoptedTable, type DocumentTable, Instant, type TableInspection } from '../../index.ts'
import { canBeRead } from '../can-be-read.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import { type ExitCode, needsWriting } from '../exit-code.ts'
import { exitCodeOfError } from '../failure-code.ts'
import { partitionNamed, partitionOption, refuseUnclear } from '../partition-named.ts'
import { wrap } from '../render/columns.ts'
import { printable, tableText } from '../render/printable.ts'
import { counted, formatChosenSpan, formatSize } from '../render/quantities.ts'
import { tableHeader } from '../render/table-header.ts'
import { type CommandReport, failedTable, type TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

/** Marks detached tables of one partitioned table as ones that may be dropped. */
export async function adoptTables(
  workspace: Workspace,
  partitions: readonly string[],
): Promise<CommandReport> {
  const { io, partsmith } = workspace
  refuseUnclear(workspace.tables, partitions, {
    unnamed: 'No table to adopt was named. Name it with --partition.',
    belongs: 'belonged to',
  })
  const tables = await eachTable(workspace, 'adopting in', async (table): Promise<TableReport> => {
    const { config } = table
    const names = partitions.map((given) => partitionNamed(given, config.table))
    const adopted: AdoptedTable[] = []
    try {
      for (const partition of names) {
        adopted.push(await partsmith.adoptPartition(config, partition, { signal: io.signal }))
      }
    } catch (error) {
      const up = await canBeRead(workspace, config.table)
      return {
        ...failedTable(config.table, error, exitCodeOfError(error)),
        observed: { table: config.table, up },
      }
    }
    // They are marked in any case; what is not known now is said without the moment.
    const seen = await partsmith.inspect(config, { signal: io.signal }).catch(() => undefined)
    return {
      table: config.table,
      exitCode: 0,
      lines: (page) => [
        ...tableHeader(table, page),
        '',
        ...adopted.flatMap(({ table: { name }, ...measure }) => [
          `  ${page.style.good('adopted')}  ${printable(name)}  ${howLarge(measure)}`,
          ...wrap(printable(whatBecomesOf(name, table, seen)), { first: '    ', columns: page.columns }),
          '    To keep it after all, clear its comment:',
          `      ${clearComment(name, table)}`,
        ]),
      ],
      fields: { adopted: names },
      observed: { table: config.table, up: true },
    }
  })
  const done = tables.every(({ exitCode }) => exitCode === 0)
  return {
    command: 'adopt',
    tables,
    closing: done
      ? `Marked ${counted(partitions.length, 'table')}${workspace.tables.some(hasGrace) ? '; the grace period begins now' : ''}.`
      : 'Not everything was marked.',
  }
}

function hasGrace({ config }: DocumentTable): boolean {
  const { drop } = config.lifecycle
  return drop.kind === 'after' && drop.graceMicros > 0n
}

function howLarge({ sizeBytes, rows }: Omit<AdoptedTable, 'table'>): string {
  const size = formatSize(sizeBytes)
  if (!rows) return `${size}, and nobody has counted its rows`
  return `${size}, ${rows.is === 'exactly' ? '' : `${rows.is} `}${counted(rows.number, 'row')}`
}

function whatBecomesOf(
  name: string,
  { config, allowDestructive }: DocumentTable,
  seen: TableInspection | undefined,
): string {
  const { drop } = config.lifecycle
  if (drop.kind === 'never') return 'It is never dropped, because dropAfter is never.'
  const run = `run${allowDestructive ? '' : ' with --allow-destructive'}`
  if (drop.graceMicros === 0n)
    return `With this configuration, the next ${run} drops it, because dropAfter is ${config.dropAfter}.`
  const marked = seen?.partitions.find(
    (each) => each.state === 'detached' && each.schema === config.table.schema && each.name === name,
  )?.detachedAt
  const until =
    marked === undefined
      ? `its grace period of ${formatChosenSpan(drop.graceMicros)} is over`
      : Instant.from(marked).add(drop.graceMicros).toString()
  return `With this configuration, the first ${run} ${marked === undefined ? 'once' : 'after'} ${until} drops it.`
}

/** What is not marked is not dropped, whatever it is called and wherever it is moved. One line, to be copied. */
function clearComment(name: string, { config }: DocumentTable): string {
  return `COMMENT ON TABLE ${tableText({ schema: config.table.schema, name })} IS NULL;`
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
  description: `Only detached tables that carry a marker are ever dropped. What is detached here gets one by itself; this gives one to a table that was detached by hand or by another tool, and says how large it is. Its grace period begins now, and it is dropped after it. Its range is not known, so it is never attached again by itself. To keep it after all, clear its comment. Refused are an attached table, one whose columns show that it was never a partition of this one, and any table where no dropAfter is set: it would be dropped at once.`,
  options: [...tableOptions, partitionOption],
  examples: [
    {
      line: 'pg-partsmith adopt --table app.events --partition events_2019',
      what: 'events_2019 was a partition of app.events once, and may go',
    },
  ],
  exitCodes: [0, 3, 4, 5, 6],
  meanings: needsWriting,
  run: (given, io) => runAdopt(tableOptionsOf(given), { partitions: given.list('partition') }, io),
}
