import type { CommandIo } from './command-io.ts'
import type { ExitCode } from './exit-code.ts'

/** An option as data: the parser, the help and the reference page are made from it. */
export interface OptionSpec {
  /** As the help shows it: `-c, --config <file>`. */
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
  readonly default?: string
  /** The value is a whole number from 1 on. */
  readonly count?: true
  /** May be given several times; the values are collected. */
  readonly repeatable?: true
}

export interface Example {
  readonly line: string
  readonly what: string
}

/** A command as data, with the function that carries it out. */
export interface CommandSpec {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** What it does and what it never does. */
  readonly description: string
  readonly options: readonly OptionSpec[]
  readonly examples: readonly Example[]
  /** The exit codes that it can end with, besides 1 and 64 and those of the signals. */
  readonly exitCodes: readonly ExitCode[]
  /** What a code means here, where that is more or other than of most commands. */
  readonly meanings?: Partial<Readonly<Record<ExitCode, string>>>
  run(given: GivenOptions, io: CommandIo): Promise<ExitCode>
}

/** The options of one call, by their long name in camelCase. */
export class GivenOptions {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  count(name: string): number | undefined {
    const value = this.#values[name]
    return typeof value === 'number' ? value : undefined
  }

  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
  }
}
