import {
  calculatorFor,
  type DocumentTable,
  Instant,
  type MaintenanceResult,
  PartitionError,
} from '../../index.ts'
import {
  type Attempted,
  closingOfAttempts,
  exitCodeOfAttempts,
  renderAttempts,
  rowsMovedText,
  tryEach,
} from '../attempts.ts'
import { CommandError } from '../command-error.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import type { ExitCode } from '../exit-code.ts'
import { partitionText, printable, tableText } from '../render/printable.ts'
import { tableHeader } from '../render/table-header.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { withoutPasswords } from '../run-report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

interface Attempt extends Attempted {
  /** As it was given. */
  readonly at: string
}

/** Makes sure that one table has the partitions of moments. */
export async function ensurePartitions(
  workspace: Workspace,
  moments: readonly string[],
): Promise<CommandReport> {
  const { tables: all, partsmith, io, hide } = workspace
  refuseUnclear(all, moments)
  const attempts: Attempt[] = []
  const tables = await eachTable(workspace, 'making partitions of', async (table): Promise<TableReport> => {
    const { config } = table
    const wanted = moments.map((at) => ({ at, moment: momentOf(at, config) }))
    const error = await tryEach(wanted, async ({ at, moment }) => {
      const result = await partsmith.ensurePartition(config, moment, { signal: io.signal })
      attempts.push({ at, result: withoutPasswords(result, hide) })
    })
    return {
      table: config.table,
      exitCode: exitCodeOfAttempts(stillSo(attempts), error),
      lines: (page) =>
        attempts.length === 0
          ? []
          : [...tableHeader(table, page), '', ...renderAttempts(stillSo(attempts), page, says)],
      fields: { results: attempts },
      observed: { table: config.table, up: true },
      ...(error !== undefined && { error }),
    }
  })
  return { command: 'ensure', tables, closing: closingOf(attempts, moments.length) }
}

/** A moment is of one table, so that nothing is made in another by accident. */
function refuseUnclear(tables: readonly DocumentTable[], moments: readonly string[]): void {
  const problem =
    moments.length === 0
      ? 'No moment was given. Say with --at whose partition is to be there.'
      : tables.length === 1
        ? undefined
        : `It is not clear in which table. Say it with --table: ${tables
            .map(({ config }) => tableText(config.table))
            .join(', ')}.`
  if (problem !== undefined) throw new CommandError(problem, { exitCode: 64, code: 'usage' })
}

/** A date alone is its beginning in the zone of the table's calendar. */
function momentOf(given: string, { timeZone }: DocumentTable['config']): Instant {
  const isDate = /^\d{4}-\d\d-\d\d$/.test(given)
  const day = isDate
    ? calculatorFor('day', timeZone).parsePartitionName(`t__${given.replaceAll('-', '_')}`)
    : undefined
  if (day) return day.start
  try {
    return Instant.from(isDate ? `${given}T00:00:00Z` : given)
  } catch (error) {
    if (!(error instanceof PartitionError)) throw error
    throw new CommandError(
      `--at ${printable(given)} is no moment: give a date such as 2026-10-24, which begins in the table's time zone, or a date and time with Z or an offset, such as 2026-10-24T08:00:00Z.`,
      { exitCode: 64, code: 'usage' },
    )
  }
}

/** A later one may have cured what was found before it; that a partition expires stays true. */
function stillSo(attempts: readonly Attempt[]): readonly Attempt[] {
  return attempts.map(({ at, result }, index) => {
    const isLast = index === attempts.length - 1
    const findings = result.findings.filter(({ code }) => isLast || code === 'reattached-expired')
    return { at, result: { ...result, findings } }
  })
}

function didWhat({ operations }: MaintenanceResult): string {
  const made = operations.find(isMaking)
  if (!made) return 'there already'
  if (made.status === 'raced') return 'made by another'
  return made.kind === 'attach' ? 'attached again' : 'created'
}

function isMaking({ kind }: MaintenanceResult['operations'][number]): boolean {
  return kind === 'create' || kind === 'attach'
}

const says = {
  done: ({ result }: Attempt): string => didWhat(result),
  undone: 'not made',
  subject: ({ at, result: { operations, table } }: Attempt): string => {
    const made = operations.find(isMaking)
    const name = made ? partitionText(made.partition, table) : `the partition of ${printable(at)}`
    return `${name}${rowsMovedText(made?.rowsMoved)}`
  },
}

function closingOf(attempts: readonly Attempt[], wanted: number): string {
  const made = attempts.reduce((sum, { result }) => sum + result.createdCount + result.attachedCount, 0)
  return closingOfAttempts(attempts, { wanted, changed: made, what: 'partition', did: 'made' })
}

/** Runs the command as the shell does. */
export async function runEnsure(
  table: TableOptions,
  { moments }: { readonly moments: readonly string[] },
  io: CommandIo,
): Promise<ExitCode> {
  return withWorkspace({ command: 'ensure', options: table, io }, (workspace) =>
    ensurePartitions(workspace, moments),
  )
}

export const ensureCommand: CommandSpec = {
  name: 'ensure',
  summary: 'Make the partition of a moment, in the past or far ahead.',
  description: `Makes sure that the partition of a moment is there, and does nothing else: it is created, or the table that was detached from there is attached again, and rows of its range are moved out of DEFAULT into it, as by \`maintain\` and within the same limits (maxRowsFromDefault, lockTimeoutMs, allowHazards). For rows of the past that lie in DEFAULT, where \`maintain\` makes no partition, and for those that are to be loaded. Where the period has expired, the next run with --allow-destructive detaches the partition again: it is made all the same, and the retentionCount that keeps it is said. Takes the lock of the table. Runs no hooks.`,
  options: [
    ...tableOptions,
    {
      flags: '--at <moment>',
      description:
        'A moment of the period: a date, which begins in the time zone of the table, or a date and time with `Z` or an offset. May be given several times.',
      repeatable: true,
    },
  ],
  examples: [
    {
      line: 'pg-partsmith ensure --table app.events --at 2025-06-10',
      what: 'the partition of that day’s period is there, with the rows that lay in DEFAULT',
    },
  ],
  exitCodes: [0, 3, 4, 5, 6],
  run: (given, io) => runEnsure(tableOptionsOf(given), { moments: given.list('at') }, io),
}
