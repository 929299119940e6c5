import { InvalidPartitionConfigError, formatPath } from '../index.ts'

/** A place in a text, both numbers counted from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** One thing that is wrong in a configuration file, and where. */
export interface FileProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
  /** Undefined where the file is a program, or the problem is with the whole file. */
  readonly position?: Position | undefined
}

/**
 * The configuration file cannot be used.
 *
 * The message is complete: one line for each problem with file, line and column, ready to be printed.
 */
export class ConfigFileError extends InvalidPartitionConfigError {
  /** As it is shown to people; undefined where no file was found. */
  readonly file: string | undefined

  constructor(
    file: string | undefined,
    problems: readonly FileProblem[],
    options: { readonly cause?: unknown } = {},
  ) {
    const inOrder = [...problems].sort(byPosition)
    const lines = inOrder.map((problem) => problemLine(file, problem))
    const head = `${file ?? 'The configuration'} has ${lines.length} problems:`
    super(lines.length === 1 ? (lines[0] ?? '') : [head, ...lines.map((line) => `  ${line}`)].join('\n'), {
      ...options,
      problems: inOrder.map(({ path, message }) => ({ path, message })),
    })
    this.file = file
  }
}

function problemLine(file: string | undefined, { path, message, position }: FileProblem): string {
  const place = position === undefined ? file : `${file}:${position.line}:${position.column}`
  return [place, formatPath(path), message].filter((part) => part !== undefined && part !== '').join(': ')
}

/** As one reads the file; what has no position keeps its order, behind the rest. */
function byPosition({ position: a }: FileProblem, { position: b }: FileProblem): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  return a.line - b.line || a.column - b.column
}
