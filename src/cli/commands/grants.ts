import { findMissingGrants, type TableGrants } from '../../index.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import type { ExitCode } from '../exit-code.ts'
import { exitCodeOfError } from '../failure-code.ts'
import { renderGrants } from '../render/grants.ts'
import { type CommandReport, failedTable, type TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'

export interface GrantsCommandOptions {
  /** Undefined: the role that is connected. */
  readonly role: string | undefined
  /** Prints what is not needed, but good to have, as statements and not as comments. */
  readonly optional: boolean
  /** Ends with 2 where something is missing. */
  readonly check: boolean
}

/** Finds what a role is missing to maintain the tables of the workspace; changes nothing. */
export async function listGrants(
  { io, partsmith, progress, tables }: Workspace,
  options: GrantsCommandOptions,
): Promise<CommandReport> {
  progress.show('reading rights')
  const found = await findMissingGrants(
    partsmith.repo.client,
    tables.map(({ config }) => ({ table: config.table, retires: config.retentionCount !== undefined })),
    {
      markerPrefix: partsmith.repo.markerPrefix,
      signal: io.signal,
      ...(options.role !== undefined && { role: options.role }),
    },
  )
  progress.clear()
  return {
    command: 'grants',
    tables: found.map((one) => reportOf(one, options)),
    closing: '',
    text: renderGrants(found, options),
  }
}

function reportOf(found: TableGrants, { check }: GrantsCommandOptions): TableReport {
  const { table, role, grants, error } = found
  if (error !== undefined) return failedTable(table, error, exitCodeOfError(error))
  const complete = grants.every(({ optional }) => optional)
  return {
    table,
    exitCode: check && !complete ? 2 : 0,
    lines: () => [],
    fields: { role, complete, grants },
    observed: { table, up: true },
  }
}

/** Runs the command as the shell does. */
export async function runGrants(
  table: TableOptions,
  options: GrantsCommandOptions,
  io: CommandIo,
): Promise<ExitCode> {
  return withWorkspace({ command: 'grants', options: table, io }, (workspace) =>
    listGrants(workspace, options),
  )
}

export const grantsCommand: CommandSpec = {
  name: 'grants',
  summary: 'Print the GRANTs that a role is missing to maintain the tables.',
  description:
    'Prints, as SQL for psql, what somebody must run so that a role that is neither superuser nor owner can maintain the tables of the configuration. Only what is missing is printed; what is good to have but not needed stands in comments. Changes nothing.',
  options: [
    ...tableOptions,
    {
      flags: '--role <name>',
      description: 'The role that is to maintain the tables. Without it: the one that is connected.',
    },
    { flags: '--optional', description: 'Prints what is good to have as statements, too.' },
    { flags: '--check', description: 'Exits with 2 where something that is needed is missing.' },
  ],
  examples: [
    { line: 'pg-partsmith grants --role maintenance', what: 'what the role maintenance is missing' },
    {
      line: 'pg-partsmith grants --role maintenance | psql postgres://postgres@host/db -v ON_ERROR_STOP=1',
      what: 'have a superuser grant it',
    },
    { line: 'pg-partsmith grants --check', what: 'in a pipeline, with the role that maintains' },
  ],
  exitCodes: [0, 2, 3, 4, 5],
  meanings: { 2: 'Something that is needed is missing (--check).' },
  run: (given, io) =>
    runGrants(
      tableOptionsOf(given),
      { role: given.text('role'), optional: given.flag('optional'), check: given.flag('check') },
      io,
    ),
}
