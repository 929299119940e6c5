import { isatty } from 'node:tty'

import { RunAbortedError } from '../index.ts'
import type { ExitCode } from './exit-code.ts'

export type StopSignal = 'SIGHUP' | 'SIGINT' | 'SIGQUIT' | 'SIGTERM'

/** Why everything stops: the process was told to. */
export class StoppedBySignal extends RunAbortedError {
  readonly exitCode: ExitCode

  constructor(signal: StopSignal) {
    super(`Stopped by ${signal}. What was running was cancelled; the next run goes on from what is there.`)
    this.exitCode = signal === 'SIGINT' ? 130 : 143
  }
}

/** Turns the first signal to stop into an abort, so that a run cleans up; the second one ends the process at once. */
export function stopOnSignals(
  controller: AbortController,
  tell: { readonly first: (signal: StopSignal) => void; readonly again: (exitCode: ExitCode) => void },
): void {
  // A terminal that is closed sends SIGHUP. Where there is none, nohup may have it ignored, and so it stays.
  const hangup = isatty(1) || isatty(2) ? (['SIGHUP'] as const) : []
  for (const name of ['SIGINT', 'SIGTERM', 'SIGQUIT', ...hangup] as const) {
    // Never taken off again: a program that was started by a hook may still be on its way out after the run.
    process.on(name, () => {
      const stop = new StoppedBySignal(name)
      if (controller.signal.aborted) {
        tell.again(stop.exitCode)
      } else {
        controller.abort(stop)
        tell.first(name)
      }
    })
  }
}
