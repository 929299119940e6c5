import type { Logger } from '../../src/index.ts'

type Level = keyof Logger

export interface RecordingLogger extends Logger {
  /** The messages of one level, in order. */
  lines(level: Level): readonly string[]
}

/** A logger that only remembers. */
export function recordingLogger(): RecordingLogger {
  const said: { readonly level: Level; readonly message: string }[] = []
  const on =
    (level: Level) =>
    (message: string): void => {
      said.push({ level, message })
    }
  return {
    debug: on('debug'),
    info: on('info'),
    warn: on('warn'),
    error: on('error'),
    lines: (level) => said.filter((line) => line.level === level).map(({ message }) => message),
  }
}
