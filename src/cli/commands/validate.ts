import type { Finding, FindingCode, TableInspection } from '../../index.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable } from '../each-table.ts'
import { type ExitCode, needsWriting, worstOf } from '../exit-code.ts'
import { renderTables } from '../render/fleet-run.ts'
import { renderFindings } from '../render/findings.ts'
import { counted } from '../render/quantities.ts'
import { tableHeader } from '../render/table-header.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

/** Checks that every table is there and is what the configuration says; changes nothing. */
export async function validateTables(workspace: Workspace): Promise<CommandReport> {
  const { io, partsmith } = workspace
  let withoutCurrent = 0
  let onlyRead = 0
  const tables = await eachTable(workspace, 'checking', async (table): Promise<TableReport> => {
    const { config } = table
    const inspection = await partsmith.inspect(config, { signal: io.signal })
    const wrong = inspection.findings.filter(({ severity }) => severity !== 'info')
    const isMissing = inspection.findings.some(({ code }) => code === 'current-partition-missing')
    if (isMissing) withoutCurrent += 1
    const good = goodToKnow(inspection)
    const readOnly = inspection.findings.some(({ code }) => code === 'server-only-reads')
    if (readOnly && wrong.length === 0) onlyRead += 1
    const isFine = wrong.length === 0 && !readOnly
    return {
      table: config.table,
      exitCode: worstOf([wrong.length > 0 ? 3 : 0, readOnly ? 5 : 0]),
      lines: (page) => [
        ...tableHeader(table, page),
        ...(isFine
          ? [`  ${page.style.good('ok')}  ${counted(attachedIn(inspection).length, 'partition')}`]
          : ['', ...renderFindings(wrong, page)]),
        ...(good.length > 0 ? [...(isFine ? [''] : []), ...renderFindings(good, page)] : []),
      ],
      fields: { valid: isFine, findings: [...wrong, ...good] satisfies readonly Finding[] },
      observed: { table: config.table, up: true, inspection },
    }
  })
  return {
    command: 'validate',
    tables,
    sections: (page) =>
      renderTables(tables, page, {
        findingsOfCalm: ({ exitCode, observed: { inspection } }) =>
          exitCode === 0 && inspection ? goodToKnow(inspection) : undefined,
        said: 'As configured:',
        all: workspace.verbose,
      }),
    closing: closingOf({
      all: tables.length,
      bad: tables.filter(({ exitCode }) => exitCode !== 0).length - onlyRead,
      onlyRead,
      withoutCurrent,
    }),
  }
}

interface Checked {
  readonly all: number
  readonly bad: number
  /** As configured, on a server where nothing can be changed. */
  readonly onlyRead: number
  readonly withoutCurrent: number
}

function closingOf({ all, bad, onlyRead, withoutCurrent }: Checked): string {
  if (bad > 0)
    return all === 1
      ? 'The table is not as wanted.'
      : `${bad} of ${all} tables ${bad === 1 ? 'is' : 'are'} not as wanted.`
  const fine = `${allOf(all)} as configured${butInsertsFail(withoutCurrent, all)}`
  return onlyRead === 0 ? `${fine}.` : `${fine}, but nothing can be changed here.`
}

/** What is good to know for whoever checks a configuration, though nothing is wrong with it. */
const told: readonly FindingCode[] = ['current-partition-missing', 'lock-timeout-held', 'server-only-reads']

function goodToKnow({ findings }: TableInspection): readonly Finding[] {
  return findings.filter(({ code }) => told.includes(code))
}

/** A table that has no partition yet is as configured, and takes no rows. */
function butInsertsFail(count: number, of: number): string {
  if (count === 0) return ''
  const where = of === 1 ? '' : ` into ${count === of ? 'them' : `${count} of them`}`
  return `, and inserts of the present moment${where} fail until \`maintain\` has made the partition`
}

function allOf(count: number): string {
  if (count === 1) return 'The table is'
  return count === 2 ? 'Both tables are' : `All ${count} tables are`
}

function attachedIn({ partitions }: TableInspection): TableInspection['partitions'] {
  return partitions.filter(({ state }) => !['missing', 'detached', 'half-built'].includes(state))
}

/** Runs the command as the shell does. */
export async function runValidate(table: TableOptions, io: CommandIo): Promise<ExitCode> {
  return withWorkspace({ command: 'validate', options: table, io }, validateTables)
}

export const validateCommand: CommandSpec = {
  name: 'validate',
  summary: 'Check the configuration, and the tables against it.',
  description:
    'Reads the configuration, connects, and checks that every table exists, is partitioned by RANGE on the configured column, that its partitions fit the calendar, and that the role has the rights to maintain it. Reports everything that is wrong, not only the first: every error and warning that `plan` would show. A server or session that only reads is looked at, and ends with 5: a run would be refused there. Changes nothing.',
  options: tableOptions,
  examples: [
    { line: 'pg-partsmith validate', what: 'after writing the configuration' },
    { line: 'pg-partsmith validate -c config/partsmith.yaml --url postgres://..', what: 'in a pipeline' },
  ],
  exitCodes: [0, 3, 4, 5],
  meanings: needsWriting,
  run: (given, io) => runValidate(tableOptionsOf(given), io),
}
