import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import type { CommandIo } from './command-io.ts'
import { type CommandSpec, GivenOptions, type OptionSpec } from './command-spec.ts'
import { commandTree, programDescription, programExamples } from './command-tree.ts'
import { type ExitCode, exitCodes, meaningOf } from './exit-code.ts'
import { wrap } from './render/columns.ts'

/** Codes that every command can end with. */
const always: readonly ExitCode[] = [1, 64, 130, 143]

/**
 * Parses a command line, runs its command and gives the exit code: 64 where the line is not right, 0 after help.
 *
 * Rejects with what nobody foresaw.
 */
export async function runProgram(
  args: readonly string[],
  io: CommandIo,
  { version }: { readonly version: string },
): Promise<ExitCode> {
  let exitCode: ExitCode = 0
  const width = helpWidth(io)
  const program = new Command('pg-partsmith')
    .description(programDescription)
    .version(version, '-V, --version', 'Prints the version.')
    .helpOption('-h, --help', 'Explains a command, with examples and exit codes.')
    .helpCommand('help [command]', 'Explains a command.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out.write(text),
      writeErr: (text) => io.err.write(text),
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
      outputError: (text, write) => {
        write(complaint(text))
      },
    })
    .configureHelp({ showGlobalOptions: false })
    .addHelpText(
      'after',
      afterHelp(
        programExamples,
        exitCodes.map(({ code, meaning }) => [code, meaning]),
        width,
      ),
    )
  for (const spec of commandTree) {
    program.addCommand(
      commandOf(spec, width, async (given) => {
        exitCode = await spec.run(given, io)
      }),
    )
  }
  // Commands are made apart, so they do not take these from the program.
  for (const command of program.commands) command.copyInheritedSettings(program)
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    // Without a command the help is an answer to a mistake.
    return error.exitCode === 0 ? 0 : 64
  }
  return exitCode
}

function helpWidth({ out }: CommandIo): number {
  return Math.min(out.columns, 100)
}

/** What the parser says, as everything else that goes to standard error. */
function complaint(text: string): string {
  const said = text.replace(/^error: /, 'pg-partsmith: ')
  const format = /unknown option '--(json|metrics)'/.exec(said)?.[1]
  // Its own guesses, such as `--version`, are far off.
  return format === undefined
    ? said
    : `${said.split('\n')[0] ?? ''}. The output is chosen with --output ${format}.\n`
}

function commandOf(spec: CommandSpec, width: number, run: (given: GivenOptions) => Promise<void>): Command {
  const command = new Command(spec.name)
    .summary(spec.summary)
    .description(spec.description)
    .helpOption('-h, --help', 'Explains this.')
    .allowExcessArguments(false)
    .addHelpText('after', afterHelp(spec.examples, meaningsIn(spec), width))
    .action(async (options: Readonly<Record<string, unknown>>) => {
      await run(new GivenOptions(options))
    })
  for (const option of spec.options) command.addOption(optionOf(option))
  return command
}

function optionOf(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.description)
  if (spec.choices) option.choices(spec.choices)
  if (spec.default !== undefined) option.default(spec.default)
  if (spec.count) {
    option.argParser((value: string) => {
      if (/^[1-9]\d{0,3}$/.test(value)) return Number(value)
      throw new InvalidArgumentError('It is a whole number from 1 to 9999.')
    })
  }
  if (spec.repeatable) {
    option.argParser((value: string, previous: readonly string[] | undefined) => [...(previous ?? []), value])
  }
  return option
}

type Meanings = readonly (readonly [code: ExitCode, meaning: string])[]

function meaningsIn({ exitCodes: codes, meanings = {} }: CommandSpec): Meanings {
  return exitCodes
    .filter(({ code }) => codes.includes(code) || always.includes(code))
    .map((entry) => [entry.code, meaningOf(entry, meanings)])
}

function afterHelp(examples: CommandSpec['examples'], codes: Meanings, columns: number): string {
  const meanings = codes.flatMap(([code, meaning]) =>
    wrap(meaning, { first: `  ${String(code).padStart(3)}  `, columns }),
  )
  return [
    '',
    'Examples:',
    ...examples.flatMap(({ line, what }) => [`  $ ${line}`, ...wrap(what, { first: '      ', columns })]),
    '',
    ...wrap('Exit codes, the gravest last. Of several tables the one furthest down is told:', {
      first: '',
      columns,
    }),
    ...meanings,
  ].join('\n')
}
