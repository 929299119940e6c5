import { type ClientConfig, Pool } from 'pg'
import {
  commandHooks,
  ConnectionFailedError,
  createPartsmith,
  type DocumentTable,
  type Partsmith,
  type PartsmithDocument,
  type PartsmithOptions,
} from '../index.ts'
import { CommandError } from './command-error.ts'
import type { CommandIo } from './command-io.ts'
import { loadConfigFile } from './config-file.ts'
import { type ConnectionTarget, findConnection } from './connection.ts'
import type { DatabaseIdentity } from './database-identity.ts'
import type { ExitCode } from './exit-code.ts'
import { exitCodeOfError } from './failure-code.ts'
import type { Hide } from './failure.ts'
import { type Progress, progressOn } from './log.ts'
import { reachServer } from './reach-server.ts'
import { hidePasswords } from './redact.ts'
import { type CommandReport, failedTable, present, presentFailure } from './report.ts'
import { selectTables } from './select-tables.ts'
import { ServerSockets } from './server-sockets.ts'
import type { TableOptions } from './table-options.ts'
import { checkWritable } from './written-file.ts'

/** What a command works with: the tables that were asked for, and a wired library to look at them with. */
export interface Workspace {
  readonly tables: readonly DocumentTable[]
  readonly partsmith: Partsmith
  readonly progress: Progress
  readonly io: CommandIo
  readonly verbose: boolean
  readonly hide: Hide
  readonly database: DatabaseIdentity
  /** Rejects with the reason when the server cannot be reached. */
  reach(): Promise<void>
}

export interface WorkspaceRequest {
  readonly command: string
  readonly options: TableOptions
  readonly io: CommandIo
  /** Set by the commands that run hooks: whether they may. */
  readonly allowHooks?: boolean
  /** How many tables are changed at a time, by the commands that change any. */
  readonly concurrency?: number | undefined
  /** What more has to be right before the database is connected to. */
  readonly check?: () => Promise<void>
}

/** Loads, connects, works, prints and closes; gives the exit code and rejects only for what nobody foresaw. */
export async function withWorkspace(
  request: WorkspaceRequest,
  work: (workspace: Workspace) => Promise<CommandReport>,
): Promise<ExitCode> {
  const { command, options, io } = request
  const shown: { hide: Hide; database: DatabaseIdentity | undefined } = {
    hide: (text) => hidePasswords(text),
    database: undefined,
  }
  try {
    const wanted = await prepare(request)
    shown.hide = hideIn(wanted.target)
    shown.database = wanted.target.database
    const report = await whileConnected({ request, ...wanted }, work)
    return await present(report, { output: options.output, write: options.write, ...shown }, io)
  } catch (error) {
    const failure: unknown = io.signal.aborted ? io.signal.reason : error
    const exitCode = exitCodeOfError(failure)
    // Only the outermost shell knows how to show a stack.
    if (exitCode === 1) throw failure
    return presentFailure(
      { command, error: failure, exitCode },
      { output: options.output, write: options.write, ...shown },
      io,
    )
  }
}

interface Wanted {
  readonly document: PartsmithDocument
  readonly tables: readonly DocumentTable[]
  readonly target: ConnectionTarget
}

/** Everything that can be found wrong without a connection. */
async function prepare({ command, options, io, allowHooks, check }: WorkspaceRequest): Promise<Wanted> {
  const { document, file } = await loadConfigFile({ file: options.config, cwd: io.cwd })
  const tables = selectTables(document.tables, options.tables)
  if (allowHooks === false) refuseHooks(document, { command, file })
  if (options.write !== undefined) await checkWritable(options.write, io.cwd)
  await check?.()
  const target = await findConnection({
    url: options.url,
    env: io.env,
    config: { url: document.connection.url, file },
  })
  return { document, tables, target }
}

/** A configuration may come from a repository that others write to, and hooks are programs. */
function refuseHooks(
  { hooks }: PartsmithDocument,
  { command, file }: { readonly command: string; readonly file: string },
): void {
  const phases = Object.keys(hooks.commands)
  if (phases.length === 0) return
  throw new CommandError(
    `${file} names commands to run as hooks (${phases.join(', ')}), and they run only where that is allowed. Nothing was changed; look at them and run \`${command} --allow-hooks\`.`,
    { exitCode: 4, code: 'hooks-not-allowed' },
  )
}

async function whileConnected(
  { request, document, tables, target }: Wanted & { readonly request: WorkspaceRequest },
  work: (workspace: Workspace) => Promise<CommandReport>,
): Promise<CommandReport> {
  const { command, options, io, allowHooks } = request
  const hide = hideIn(target)
  const progress = progressOn(io.err, { verbose: options.verbose, hide })
  progress.show(`connecting to ${target.name}`)
  let pool: Pool | undefined
  const sockets = new ServerSockets(io.signal)
  const reach = async (): Promise<ClientConfig> => reachServer(target, sockets)
  try {
    const reached = await reach()
    pool = new Pool({ ...reached, max: mostConnections(request.concurrency) })
    // An idle connection that is lost is replaced by the next one that is asked for.
    pool.on('error', () => undefined)
    const partsmith = createPartsmith({
      pool,
      logger: progress.logger,
      ...settingsOf(document),
      ...(allowHooks === true && hooksOf(document)),
    })
    return await work({
      tables,
      partsmith,
      progress,
      io,
      verbose: options.verbose,
      hide,
      database: target.database,
      reach: async () => void (await reach()),
    })
  } catch (error) {
    // Where the process was told to stop, that is why.
    if (!(error instanceof ConnectionFailedError) || io.signal.aborted) throw error
    return unreachable(command, tables, error)
  } finally {
    progress.clear()
    await sockets.end(pool?.end())
  }
}

function hideIn({ secrets }: ConnectionTarget): Hide {
  return (text) => hidePasswords(text, secrets)
}

/** A run needs three: one for the lock, one for its statements and one to watch them from. */
function mostConnections(concurrency = 2): number {
  return Math.max(5, 3 * concurrency)
}

function settingsOf({ runtime }: PartsmithDocument): Omit<PartsmithOptions, 'pool'> {
  const { lockTimeoutMs, statementTimeoutMs, giveUpAfterMs, ...settings } = runtime
  return {
    ...settings,
    ...(lockTimeoutMs !== undefined && { lockTimeoutMs }),
    ...(statementTimeoutMs !== undefined && { statementTimeoutMs }),
    ...(giveUpAfterMs !== undefined && { giveUpAfterMs }),
  }
}

function hooksOf({ hooks }: PartsmithDocument): Pick<PartsmithOptions, 'hooks' | 'hookTimeoutMs'> {
  const { commands, timeoutSeconds } = hooks
  const vectors = Object.fromEntries(Object.entries(commands).filter(([, vector]) => vector !== undefined))
  return {
    hooks: Object.keys(vectors).length === 0 ? [] : [commandHooks(vectors)],
    ...(timeoutSeconds !== undefined && { hookTimeoutMs: timeoutSeconds * 1_000 }),
  }
}

/** Metrics still say which tables could not be looked at. */
function unreachable(
  command: string,
  tables: readonly DocumentTable[],
  error: ConnectionFailedError,
): CommandReport {
  return {
    command,
    tables: tables.map(({ config }) => failedTable(config.table, error, exitCodeOfError(error))),
    closing: 'Nothing was looked at.',
  }
}
