import { ConnectionFailedError, type FleetTarget, type RunOutcome } from '../index.ts'
import { tableText } from './render/printable.ts'
import { counted } from './render/quantities.ts'
import type { Workspace } from './workspace.ts'

export interface FleetWork {
  /** What the progress line says: `maintaining`. */
  readonly doing: string
  readonly targets: readonly FleetTarget[]
  readonly continueOnError: boolean
  readonly concurrency: number | undefined
}

/** Runs the targets in one fleet. One that fails does not stop the rest; a stop signal and a server that is gone do. */
export async function runFleet(
  { partsmith, progress, io, reach }: Pick<Workspace, 'partsmith' | 'progress' | 'io' | 'reach'>,
  { doing, targets, concurrency, continueOnError }: FleetWork,
): Promise<readonly RunOutcome[]> {
  const gone = new AbortController()
  let ended = 0
  let asking = false
  const askWhetherGone = async (): Promise<void> => {
    asking = true
    await reach().catch((error: unknown) => gone.abort(error))
    asking = false
  }
  progress.show(`looking at ${counted(targets.length, 'table')}`)
  const outcomes = await partsmith.service.runFleet(targets, {
    signal: AbortSignal.any([io.signal, gone.signal]),
    continueOnError,
    ...(concurrency !== undefined && { concurrency }),
    onBegin: (table) => {
      const place = targets.length > 1 ? ` (${ended + 1} of ${targets.length})` : ''
      progress.show(`${doing} ${tableText(table)}${place}`)
    },
    onEnd: ({ error }) => {
      ended += 1
      // Where only that one connection was lost, the others go on.
      if (error instanceof ConnectionFailedError && !asking) void askWhetherGone()
    },
  })
  progress.clear()
  return outcomes
}
