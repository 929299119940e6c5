import { Pool } from 'pg'
import { createPartsmith, PartitionError, type PartitionTree, type TableName } from '../../index.ts'
import { CommandError } from '../command-error.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { configFileNames } from '../config-file.ts'
import { findConnection } from '../connection.ts'
import type { ExitCode } from '../exit-code.ts'
import { type ConfigDraft, type ConfigFormat, leftOutLine, renderDraft } from '../init/config-draft.ts'
import { type DerivedTable, deriveTable } from '../init/derive-table.ts'
import { zoneOfHost } from '../init/likely-zones.ts'
import { progressOn } from '../log.ts'
import { reachServer } from '../reach-server.ts'
import { ServerSockets } from '../server-sockets.ts'
import { hidePasswords } from '../redact.ts'
import { tableText } from '../render/printable.ts'
import { counted } from '../render/quantities.ts'
import { connectionOptions, verboseOption } from '../table-options.ts'
import { writeNew } from '../written-file.ts'
import { readdir } from 'node:fs/promises'

export interface InitOptions {
  readonly url: string | undefined
  readonly format: ConfigFormat
  /** Where the configuration goes; `-` is standard output. */
  readonly write: string | undefined
  readonly verbose: boolean
}

/** Reads every partitioned table of a database and says what its configuration is, or why it has none. */
export async function draftConfig(
  source: {
    readonly tables: readonly TableName[]
    readonly readTree: (table: TableName) => Promise<PartitionTree>
  },
  about: { readonly from: string; readonly hostZone: string },
): Promise<ConfigDraft> {
  const tables: ConfigDraft['tables'][number][] = []
  const leftOut: ConfigDraft['leftOut'][number][] = []
  for (const table of source.tables) {
    const derived = await derive(source.readTree, table, about.hostZone)
    if (derived.kind === 'table') tables.push(derived)
    else leftOut.push(derived)
  }
  return { from: about.from, tables, leftOut }
}

async function derive(
  readTree: (table: TableName) => Promise<PartitionTree>,
  table: TableName,
  hostZone: string,
): Promise<DerivedTable> {
  try {
    return deriveTable(await readTree(table), { hostZone })
  } catch (error) {
    // One that was dropped meanwhile must not keep the others out.
    if (!(error instanceof PartitionError) || error.code !== 'partition-not-found') throw error
    return { kind: 'left-out', table, reason: 'it is gone' }
  }
}

/** Runs the command as the shell does. */
export async function runInit(options: InitOptions, io: CommandIo): Promise<ExitCode> {
  const file = options.write ?? `partsmith.config.${options.format}`
  if (options.write === undefined) await refuseSecondConfig(io.cwd)
  const target = await findConnection({ url: options.url, env: io.env })
  const progress = progressOn(io.err, {
    verbose: options.verbose,
    hide: (text) => hidePasswords(text, target.secrets),
  })
  progress.show(`connecting to ${target.name}`)
  const sockets = new ServerSockets(io.signal)
  let pool: Pool | undefined
  try {
    pool = new Pool({ ...(await reachServer(target, sockets)), max: 3 })
    pool.on('error', () => undefined)
    const { metadata } = createPartsmith({ pool, logger: progress.logger })
    const read = { signal: io.signal }
    const tables = await metadata.listTables(read)
    const draft = await draftConfig(
      {
        tables,
        readTree: (table) => {
          progress.show(`reading ${tableText(table)}`)
          return metadata.readTree(table, read)
        },
      },
      { from: target.name, hostZone: zoneOfHost() },
    )
    progress.clear()
    refuseEmpty(draft, target.name)
    const text = renderDraft(draft, options.format)
    if (file === '-') io.out.write(text)
    else await writeNew(file, text, io.cwd)
    tell({ draft, file, format: options.format }, io)
    return 0
  } finally {
    progress.clear()
    await sockets.end(pool?.end())
  }
}

/** A second file beside the first would make every later command ask which one is meant. */
async function refuseSecondConfig(cwd: string): Promise<void> {
  const present = await readdir(cwd).catch((): string[] => [])
  const found = configFileNames.find((name) => present.includes(name))
  if (found === undefined) return
  throw new CommandError(
    `There is ${found} here already, and it is not overwritten. Remove it, name another file with --write, or print the configuration with --write -.`,
    { exitCode: 4, code: 'file-exists' },
  )
}

function refuseEmpty({ tables, leftOut }: ConfigDraft, database: string): void {
  if (tables.length > 0) return
  const none =
    leftOut.length === 0
      ? `There is no partitioned table in ${database} that this user can see. Nothing was written.`
      : [
          `None of the partitioned tables in ${database} can be maintained as it is. Nothing was written.`,
          ...leftOut.map((table) => `  ${leftOutLine(table)}`),
        ].join('\n')
  throw new CommandError(none, { exitCode: 3, code: 'no-tables' })
}

function tell(
  about: { readonly draft: ConfigDraft; readonly file: string; readonly format: ConfigFormat },
  { out, err }: CommandIo,
): void {
  const { draft, file, format } = about
  const screen = file === '-' ? err : out
  const lines = [
    ...(file === '-' ? [] : [`Wrote ${file} with ${counted(draft.tables.length, 'table')}:`]),
    ...draft.tables.map(
      ({ table, partitionColumn, granularity, timeZone, notes }) =>
        `  ${tableText(table)}  by ${granularity} of ${partitionColumn}${timeZone === 'UTC' ? '' : ` in ${timeZone}`}${format === 'json' ? notes.map((note) => `\n    ${note}`).join('') : ''}`,
    ),
    ...(draft.leftOut.length > 0
      ? ['Left out:', ...draft.leftOut.map((table) => `  ${leftOutLine(table)}`)]
      : []),
    'Nothing expires until a table has a retentionCount.',
    ...(file === '-' ? [] : ['Next: `pg-partsmith validate`, then `pg-partsmith plan`.']),
  ]
  screen.write(`${lines.join('\n')}\n`)
}

export const initCommand: CommandSpec = {
  name: 'init',
  summary: 'Write a configuration for the partitioned tables that are there.',
  description:
    'Reads the database and writes a configuration for the partitioned tables in it, whatever they and their partitions are called: column, granularity and zone are read from the bounds. No retention is set, so nothing expires until you say so. Changes nothing in the database and overwrites no file.',
  options: [
    ...connectionOptions,
    {
      flags: '--format <format>',
      description: 'How it is written.',
      choices: ['yaml', 'ts', 'json'],
      default: 'yaml',
    },
    {
      flags: '--write <file>',
      description: 'Where it is written, in place of partsmith.config.<format>; `-` prints it.',
    },
    verboseOption,
  ],
  examples: [
    { line: 'pg-partsmith init --url postgres://user@host/db', what: 'writes partsmith.config.yaml' },
    { line: 'pg-partsmith init --format ts', what: 'writes partsmith.config.ts' },
    { line: 'pg-partsmith init --write -', what: 'only looks' },
  ],
  exitCodes: [0, 3, 4, 5],
  run: (given, io) => {
    const format = given.text('format')
    return runInit(
      {
        url: given.text('url'),
        format: format === 'ts' || format === 'json' ? format : 'yaml',
        write: given.text('write'),
        verbose: given.flag('verbose'),
      },
      io,
    )
  },
}
