import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { eachTable, lookAtFleet } from '../each-table.ts'
import type { ExitCode } from '../exit-code.ts'
import { exitCodeOfFindings } from '../failure-code.ts'
import { renderInspection } from '../render/inspection.ts'
import { counted } from '../render/quantities.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

export interface InspectRequest {
  /** Whether to see what is pending too, for the metrics. */
  readonly observe: boolean
}

/** Looks at every table of the workspace; changes nothing. */
export async function inspectTables(workspace: Workspace, request: InspectRequest): Promise<CommandReport> {
  const { partsmith, verbose } = workspace
  let findings = 0
  const looked = await lookAtFleet(workspace, (configs, read) => partsmith.inspectFleet(configs, read))
  const tables = await eachTable(workspace, 'reading', async (table): Promise<TableReport> => {
    const { config } = table
    const { inspection, plan } = looked(config)
    findings += inspection.findings.length
    return {
      table: config.table,
      exitCode: exitCodeOfFindings(inspection.findings),
      lines: (page) => renderInspection({ ...table, inspection }, page, { all: verbose }),
      fields: { inspection },
      observed: { table: config.table, up: true, inspection, ...(request.observe && { plan }) },
    }
  })
  const failed = tables.filter(({ error }) => error !== undefined).length
  const seen = `${counted(tables.length - failed, 'table')}, ${counted(findings, 'finding')}.`
  return {
    command: 'inspect',
    tables,
    closing: `${seen.charAt(0).toUpperCase()}${seen.slice(1)}${failed > 0 ? ` ${counted(failed, 'table')} could not be looked at.` : ''}`,
  }
}

/** Runs the command as the shell does. */
export async function runInspect(table: TableOptions, io: CommandIo): Promise<ExitCode> {
  return withWorkspace({ command: 'inspect', options: table, io }, (workspace) =>
    inspectTables(workspace, { observe: table.output === 'metrics' }),
  )
}

export const inspectCommand: CommandSpec = {
  name: 'inspect',
  summary: 'Show the partitions of every table, on a line of time.',
  description:
    'Shows what is there: the partitions with range, state and size, a picture of them on a line of time, how long they last, and what is not as wanted. Changes nothing.',
  options: tableOptions,
  examples: [
    { line: 'pg-partsmith inspect', what: 'all tables of the configuration' },
    { line: 'pg-partsmith inspect --table events --verbose', what: 'every partition of one table' },
    { line: 'pg-partsmith inspect --output json | jq .tables[].inspection.runway', what: 'for scripts' },
  ],
  exitCodes: [0, 3, 4, 5],
  run: (given, io) => runInspect(tableOptionsOf(given), io),
}
