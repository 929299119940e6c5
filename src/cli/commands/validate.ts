import type { Finding, FindingCode, TableInspection } from '../../index.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import type { ExitCode } from '../exit-code.ts'
import { wrap } from '../render/columns.ts'
import { renderFindings } from '../render/findings.ts'
import { counted } from '../render/quantities.ts'
import type { Page } from '../render/style.ts'
import { tableHeader } from '../render/table-header.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

/** Checks that every table is there and is what the configuration says; changes nothing. */
export async function validateTables(workspace: Workspace): Promise<CommandReport> {
  const { io, partsmith } = workspace
  let withoutCurrent = 0
  const tables = await eachTable(workspace, 'checking', async (table): Promise<TableReport> => {
    const { config } = table
    const inspection = await partsmith.inspect(config, { signal: io.signal })
    const wrong = inspection.findings.filter(({ severity }) => severity !== 'info')
    const isMissing = inspection.findings.some(({ code }) => code === 'current-partition-missing')
    if (isMissing) withoutCurrent += 1
    const good = inspection.findings.filter(({ code }) => told.includes(code))
    const unmanaged = everythingUnmanaged(inspection)
    return {
      table: config.table,
      exitCode: wrong.length > 0 || unmanaged !== undefined ? 3 : 0,
      lines: (page) => [
        ...tableHeader(table, page),
        ...(wrong.length === 0 && unmanaged === undefined
          ? [`  ${page.style.good('ok')}  ${counted(attachedIn(inspection).length, 'partition')}`]
          : ['', ...(unmanaged ? hint(unmanaged, page) : []), ...renderFindings(wrong, page)]),
        ...(good.length > 0 ? ['', ...renderFindings(good, page)] : []),
      ],
      fields: {
        valid: wrong.length === 0 && unmanaged === undefined,
        ...(unmanaged && { hint: unmanaged }),
        findings: [...wrong, ...good] satisfies readonly Finding[],
      },
      observed: { table: config.table, up: true, inspection },
    }
  })
  const bad = tables.filter(({ exitCode }) => exitCode !== 0).length
  return {
    command: 'validate',
    tables,
    closing:
      bad === 0
        ? `${all(tables.length)} as configured${butInsertsFail(withoutCurrent, tables.length)}.`
        : tables.length === 1
          ? 'The table is not as wanted.'
          : `${bad} of ${tables.length} tables ${bad === 1 ? 'is' : 'are'} not as wanted.`,
  }
}

/** What is good to know for whoever checks a configuration, though nothing is wrong with it. */
const told: readonly FindingCode[] = ['current-partition-missing', 'lock-timeout-held']

/** A table that has no partition yet is as configured, and takes no rows. */
function butInsertsFail(count: number, of: number): string {
  if (count === 0) return ''
  const where = of === 1 ? '' : ` into ${count === of ? 'them' : `${count} of them`}`
  return `, and inserts of the present moment${where} fail until \`maintain\` has made the partition`
}

function all(count: number): string {
  if (count === 1) return 'The table is'
  return count === 2 ? 'Both tables are' : `All ${count} tables are`
}

function attachedIn({ partitions }: TableInspection): TableInspection['partitions'] {
  return partitions.filter(({ state }) => !['missing', 'detached', 'half-built'].includes(state))
}

interface Hint {
  readonly message: string
  readonly next: string
}

/** What is wrong with the configuration and not with the table, so it is no finding. */
function hint({ message, next }: Hint, { columns, style }: Page): readonly string[] {
  return [
    ...wrap(message, { first: `  ${style.warning('warning')}  `, rest: '    ', columns }),
    ...wrap(next, { first: '    Next: ', columns }),
    '',
  ]
}

/** A wrong granularity or zone shows in this: the calendar fits none of the partitions that are there. */
function everythingUnmanaged(inspection: TableInspection): Hint | undefined {
  const ranges = attachedIn(inspection).filter(({ state }) => state !== 'default')
  return ranges.length > 0 && ranges.every(({ state }) => state === 'unmanaged')
    ? {
        message: `None of the ${counted(ranges.length, 'partition')} lies inside a period of this calendar.`,
        next: 'Check granularity and timeZone; `pg-partsmith init` reads them from the table.',
      }
    : undefined
}

/** Runs the command as the shell does. */
export async function runValidate(table: TableOptions, io: CommandIo): Promise<ExitCode> {
  return withWorkspace({ command: 'validate', options: table, io }, validateTables)
}

export const validateCommand: CommandSpec = {
  name: 'validate',
  summary: 'Check the configuration, and the tables against it.',
  description:
    'Reads the configuration, connects, and checks that every table exists, is partitioned by RANGE on the configured column, that its partitions fit the calendar, and that the role has the rights to maintain it. Reports everything that is wrong, not only the first: every error and warning that `plan` would show. Changes nothing.',
  options: tableOptions,
  examples: [
    { line: 'pg-partsmith validate', what: 'after writing the configuration' },
    { line: 'pg-partsmith validate -c config/partsmith.yaml --url postgres://..', what: 'in a pipeline' },
  ],
  exitCodes: [0, 3, 4, 5],
  run: (given, io) => runValidate(tableOptionsOf(given), io),
}
