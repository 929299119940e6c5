import type { DocumentTable, MaintenanceResult } from '../../index.ts'
import {
  type Attempted,
  closingOfAttempts,
  exitCodeOfAttempts,
  renderAttempts,
  rowsMovedText,
  tryEach,
} from '../attempts.ts'
import { canBeRead } from '../can-be-read.ts'
import { CommandError } from '../command-error.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import { type ExitCode, needsWriting } from '../exit-code.ts'
import { partitionNamed, partitionOption } from '../partition-named.ts'
import { printable } from '../render/printable.ts'
import { tableHeader } from '../render/table-header.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { withoutPasswords } from '../run-report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { whosePartitions } from '../whose-partition.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

interface Attempt extends Attempted {
  readonly partition: string
}

/** Attaches detached tables again. */
export async function reattachTables(
  workspace: Workspace,
  partitions: readonly string[],
): Promise<CommandReport> {
  const { partsmith, io, hide } = workspace
  const owned = await ownedBy(workspace, partitions)
  const all: Attempt[] = []
  const those = { ...workspace, tables: [...owned.keys()] }
  const tables = await eachTable(those, 'attaching again in', async (table): Promise<TableReport> => {
    const attempts: Attempt[] = []
    const { config } = table
    const error = await tryEach(owned.get(table) ?? [], async (given) => {
      const partition = partitionNamed(given, config.table)
      const result = await partsmith.reattachPartition(config, partition, { signal: io.signal })
      attempts.push({ partition, result: withoutPasswords(result, hide) })
    })
    all.push(...attempts)
    return {
      table: config.table,
      exitCode: exitCodeOfAttempts(attempts, error),
      lines: (page) =>
        attempts.length === 0
          ? []
          : [...tableHeader(table, page), '', ...renderAttempts(attempts, page, says)],
      fields: { results: attempts },
      observed: {
        table: config.table,
        up: error === undefined || (await canBeRead(workspace, config.table)),
      },
      ...(error !== undefined && { error }),
    }
  })
  return { command: 'reattach', tables, closing: closingOf(all, partitions.length) }
}

/** With one table to choose from the names are of that one; else what is there says whose they are. */
async function ownedBy(
  { tables, partsmith, io }: Workspace,
  partitions: readonly string[],
): Promise<ReadonlyMap<DocumentTable, readonly string[]>> {
  const [only, ...others] = tables
  if (only && others.length === 0 && partitions.length > 0) return new Map([[only, partitions]])
  if (partitions.length === 0) throw nothingNamed()
  return whosePartitions(tables, partitions, { partsmith, signal: io.signal })
}

function nothingNamed(): CommandError {
  return new CommandError(
    'No table to attach again was named. Name it with --partition; `inspect` lists those that are detached.',
    { exitCode: 64, code: 'usage' },
  )
}

function didWhat({ operations }: MaintenanceResult): string {
  const [operation] = operations
  if (!operation) return 'attached already'
  return operation.status === 'raced' ? 'attached by another' : 'attached'
}

const says = {
  done: ({ result }: Attempt): string => didWhat(result),
  undone: 'not attached',
  subject: ({ partition, result: { operations } }: Attempt): string =>
    `${printable(partition)}${rowsMovedText(operations[0]?.rowsMoved)}`,
}

function closingOf(attempts: readonly Attempt[], wanted: number): string {
  const attached = attempts.filter(({ result }) => result.attachedCount > 0).length
  return closingOfAttempts(attempts, { wanted, changed: attached, what: 'table', did: 'attached' })
}

/** Runs the command as the shell does. */
export async function runReattach(
  table: TableOptions,
  { partitions }: { readonly partitions: readonly string[] },
  io: CommandIo,
): Promise<ExitCode> {
  return withWorkspace({ command: 'reattach', options: table, io }, (workspace) =>
    reattachTables(workspace, partitions),
  )
}

export const reattachCommand: CommandSpec = {
  name: 'reattach',
  summary: 'Undo a detach: attach a detached table again.',
  description: `Brings the rows of a detached table back, for the same range as before. It takes only a table that was detached here and is still there; a dropped one is gone. A concurrent detach leaves a CHECK that proves the range, so nothing is read; after a blocking one the table is read before it is attached, while nobody waits for it. Which table it belongs to is known by its marker, where --table is left out. Does nothing else, and works with dropAfter never, too. Where the table has expired, the next run with --allow-destructive detaches it again: it is attached all the same, and the retentionCount that keeps it is said. Runs no hooks.`,
  options: [...tableOptions, partitionOption],
  examples: [
    { line: 'pg-partsmith inspect --table app.events', what: 'which tables are detached' },
    {
      line: 'pg-partsmith reattach --table app.events --partition events__2025_01',
      what: 'its rows are found through app.events again',
    },
  ],
  exitCodes: [0, 3, 4, 5, 6],
  meanings: needsWriting,
  run: (given, io) => runReattach(tableOptionsOf(given), { partitions: given.list('partition') }, io),
}
