import { isatty } from 'node:tty'

/** Where a command writes to and what it knows of its surroundings; tests give their own. */
export interface CommandIo {
  /** For what the command was asked for. */
  readonly out: Screen
  /** For progress, logs and complaints. */
  readonly err: Screen
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Aborts with a `StoppedBySignal` when the process is told to stop. */
  readonly signal: AbortSignal
}

export interface Screen {
  write(text: string): void
  readonly isTerminal: boolean
  /** How wide it is; 80 where it is no terminal. */
  readonly columns: number
}

/** The streams, environment and directory of this process. */
export function processIo(signal: AbortSignal): CommandIo {
  return {
    out: screenOf(process.stdout),
    err: screenOf(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    signal,
  }
}

function screenOf(stream: NodeJS.WriteStream & { readonly fd: number }): Screen {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that has gone (`| head`) is not our failure; a disk that is full is.
    if (error.code !== 'EPIPE') process.exitCode = 1
  })
  return {
    write: (text) => {
      stream.write(text)
    },
    isTerminal: isatty(stream.fd),
    columns: isatty(stream.fd) ? Math.max(40, stream.columns) : 80,
  }
}
