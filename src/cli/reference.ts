import type { CommandSpec, OptionSpec } from './command-spec.ts'
import { commandTree, programDescription, programExamples } from './command-tree.ts'
import { exitCodes } from './exit-code.ts'

/** Renders the command line as Markdown, from the same data that the parser and the help are made of. */
export function cliReference(): string {
  return [
    '# Command line',
    '',
    programDescription,
    '',
    ...exampleBlock(programExamples),
    ...commandTree.flatMap(commandSection),
    '## Exit codes',
    '',
    'The gravest last: of several tables, the code that is furthest down in this list is the exit code of the command.',
    '',
    '| Code | Meaning |',
    '| ---: | --- |',
    ...exitCodes.map(({ code, meaning }) => `| ${code} | ${cell(meaning)} |`),
    '',
  ].join('\n')
}

function commandSection({
  name,
  description,
  options,
  examples,
  exitCodes: codes,
}: CommandSpec): readonly string[] {
  return [
    `## pg-partsmith ${name}`,
    '',
    description,
    '',
    '| Option | Meaning |',
    '| --- | --- |',
    ...options.map((option) => `| \`${cell(option.flags)}\` | ${cell(optionText(option))} |`),
    '',
    ...exampleBlock(examples),
    `Exit codes: ${codes.join(', ')}; 1, 64, 130 and 143 as for every command.`,
    '',
  ]
}

function optionText({ description, choices, default: otherwise }: OptionSpec): string {
  return [
    description,
    ...(choices ? [`One of ${choices.map((choice) => `\`${choice}\``).join(', ')}.`] : []),
    ...(otherwise === undefined ? [] : [`Default: \`${otherwise}\`.`]),
  ].join(' ')
}

function exampleBlock(examples: CommandSpec['examples']): readonly string[] {
  return ['```sh', ...examples.flatMap(({ line, what }) => [`# ${what}`, line]), '```', '']
}

function cell(text: string): string {
  return text.replaceAll('|', String.raw`\|`)
}
