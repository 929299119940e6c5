import { type Logger, silentLogger } from '../index.ts'
import type { Screen } from './command-io.ts'
import type { Hide } from './failure.ts'
import { printable } from './render/printable.ts'

/** Tells on standard error what goes on. */
export interface Progress {
  readonly logger: Logger
  /** Shows what is being done now, on one line that is replaced; only on a terminal. */
  show(what: string): void
  /** Takes that line away. */
  clear(): void
}

export interface ProgressOptions {
  readonly verbose: boolean
  readonly hide: Hide
}

/** With `verbose` every log line stays; otherwise a terminal shows the last one, and anything else nothing. */
export function progressOn(screen: Screen, { verbose, hide }: ProgressOptions): Progress {
  if (verbose) return { logger: lineLogger(screen, hide), show: () => undefined, clear: () => undefined }
  if (!screen.isTerminal) return { logger: silentLogger, show: () => undefined, clear: () => undefined }
  const show = (what: string): void => {
    const line = printable(hide(what)).replaceAll('\n', ' ')
    screen.write(`\r\u001b[K${line.slice(0, screen.columns - 1)}`)
  }
  return {
    logger: { debug: () => undefined, info: show, warn: show, error: show },
    show,
    clear: () => {
      screen.write('\r\u001b[K')
    },
  }
}

function lineLogger(screen: Screen, hide: Hide): Logger {
  const line =
    (level: string): Logger['info'] =>
    (message, fields) => {
      const more = Object.entries(fields ?? {}).map(([name, value]) => `${name}=${JSON.stringify(value)}`)
      const text = [new Date().toISOString(), level, message.replaceAll('\n', ' '), ...more].join(' ')
      screen.write(`${printable(hide(text))}\n`)
    }
  return { debug: line('debug'), info: line('info '), warn: line('warn '), error: line('error') }
}
