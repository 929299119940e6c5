import type { GivenOptions, OptionSpec } from './command-spec.ts'

export type OutputFormat = 'human' | 'json' | 'metrics'

/** What every command that looks at tables can be told. */
export interface TableOptions {
  readonly config: string | undefined
  readonly url: string | undefined
  /** Names as they were given; empty: all tables of the configuration. */
  readonly tables: readonly string[]
  readonly output: OutputFormat
  readonly write: string | undefined
  readonly verbose: boolean
}

export const connectionOptions: readonly OptionSpec[] = [
  {
    flags: '--url <url>',
    description:
      'The database. Without it: PG_PARTSMITH_URL, the file that PG_PARTSMITH_URL_FILE names, the PG* variables, the configuration.',
  },
]

export const outputOptions: readonly OptionSpec[] = [
  {
    flags: '--output <format>',
    description: 'What is printed: text for people, one JSON document, or Prometheus metrics.',
    choices: ['human', 'json', 'metrics'],
    default: 'human',
  },
  {
    flags: '--write <file>',
    description: 'Writes the output to a file instead, all of it or nothing.',
  },
]

export const verboseOption: OptionSpec = {
  flags: '-v, --verbose',
  description:
    'Shows everything: the log on standard error, long lists in full, the place of unexpected errors.',
}

export const tableOptions: readonly OptionSpec[] = [
  {
    flags: '-c, --config <file>',
    description:
      'The configuration; without it, partsmith.config.{ts,mts,js,mjs,json,yaml,yml} is looked for.',
  },
  ...connectionOptions,
  {
    flags: '--table <name>',
    description: 'Only this table, as `events` or `app.events`. May be given several times.',
    repeatable: true,
  },
  ...outputOptions,
  verboseOption,
]

export const allowHooksOption: OptionSpec = {
  flags: '--allow-hooks',
  description: 'Lets the commands run that the configuration names as hooks.',
}

export const runOptions: readonly OptionSpec[] = [
  {
    flags: '--allow-destructive',
    description: 'Lets partitions be detached and detached tables be dropped, of every table.',
  },
  {
    flags: '--continue-on-error',
    description: 'Goes on with the next operation of a table when one failed.',
  },
  {
    flags: '--ok-if-locked',
    description:
      'Exits with 0 where another maintainer holds the lock of a table and has been at work for less than an hour.',
  },
  {
    flags: '--quiet',
    description:
      'Prints only what was done and what needs a person, and nothing at all where all is well. The exit code is as ever.',
  },
  {
    flags: '--concurrency <count>',
    description:
      'How many tables are changed at a time, each under its own lock and with up to three connections. Default 2.',
    count: true,
  },
  allowHooksOption,
]

export function tableOptionsOf(given: GivenOptions): TableOptions {
  const output = given.text('output')
  return {
    config: given.text('config'),
    url: given.text('url'),
    tables: given.list('table'),
    output: output === 'json' || output === 'metrics' ? output : 'human',
    write: given.text('write'),
    verbose: given.flag('verbose'),
  }
}

/** What `apply` and `maintain` can be told beyond that. */
export interface RunOptions {
  readonly allowDestructive: boolean
  readonly continueOnError: boolean
  readonly okIfLocked: boolean
  /** Leaves out of the text for people what is only good to know. */
  readonly quiet: boolean
  /** How many tables are changed at a time. @default 2 */
  readonly concurrency?: number | undefined
}

export function runOptionsOf(given: GivenOptions): RunOptions {
  return {
    allowDestructive: given.flag('allowDestructive'),
    continueOnError: given.flag('continueOnError'),
    okIfLocked: given.flag('okIfLocked'),
    quiet: given.flag('quiet'),
    concurrency: given.count('concurrency'),
  }
}
