import { ConnectionFailedError, type DocumentTable, type TablePartitionConfig } from '../index.ts'
import { exitCodeOfError } from './failure-code.ts'
import { tableText } from './render/printable.ts'
import { counted } from './render/quantities.ts'
import { failedTable, type TableReport } from './report.ts'
import type { Workspace } from './workspace.ts'

/**
 * Works on one table after the other. One that fails does not stop the rest; a stop signal and a server that is gone do.
 *
 * `doing` is what the progress line says: `planning`.
 */
export async function eachTable(
  workspace: Pick<Workspace, 'tables' | 'progress' | 'io' | 'reach'>,
  doing: string,
  work: (table: DocumentTable) => Promise<TableReport>,
): Promise<readonly TableReport[]> {
  const { tables, progress, io } = workspace
  const reports: TableReport[] = []
  let gone: unknown
  for (const [index, table] of tables.entries()) {
    const name = table.config.table
    if (io.signal.aborted) {
      reports.push(failedTable(name, io.signal.reason, exitCodeOfError(io.signal.reason)))
      continue
    }
    if (gone !== undefined) {
      reports.push(failedTable(name, gone, exitCodeOfError(gone)))
      continue
    }
    const place = tables.length > 1 ? ` (${index + 1} of ${tables.length})` : ''
    progress.show(`${doing} ${tableText(name)}${place}`)
    const report = await work(table).catch((error: unknown) =>
      failedTable(name, error, exitCodeOfError(error)),
    )
    reports.push(report)
    if (report.error instanceof ConnectionFailedError) gone = await whyGone(workspace)
  }
  progress.clear()
  return reports
}

/**
 * Reads all tables together, before each is reported. Gives what was read of a table, or throws why that could not be.
 */
export async function lookAtFleet<A extends object>(
  { tables, progress, io }: Pick<Workspace, 'tables' | 'progress' | 'io'>,
  read: (
    configs: readonly TablePartitionConfig[],
    options: { readonly signal: AbortSignal },
  ) => Promise<readonly A[]>,
): Promise<(config: TablePartitionConfig) => Exclude<A, Failed>> {
  progress.show(`reading ${counted(tables.length, 'table')}`)
  const configs = tables.map(({ config }) => config)
  const answers = await read(configs, { signal: io.signal })
  progress.clear()
  const byConfig = new Map(configs.map((config, index) => [config, answers[index]]))
  return (config) => {
    const answer = byConfig.get(config)
    if (answer && hasSucceeded(answer)) return answer
    throw answer && 'error' in answer ? answer.error : undefined
  }
}

interface Failed {
  readonly error: unknown
}

function hasSucceeded<A extends object>(answer: A): answer is Exclude<A, Failed> {
  return !('error' in answer)
}

/** Undefined where only that one connection was lost. */
async function whyGone(workspace: Pick<Workspace, 'reach'>): Promise<unknown> {
  try {
    await workspace.reach()
    return undefined
  } catch (error) {
    return error
  }
}
