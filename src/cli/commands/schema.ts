import { documentJsonSchema } from '../../index.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import type { ExitCode } from '../exit-code.ts'
import { writeWhole } from '../written-file.ts'

/** Prints the JSON Schema of the configuration, or writes it to a file. */
export async function runSchema(
  options: { readonly write: string | undefined },
  io: CommandIo,
): Promise<ExitCode> {
  const text = `${JSON.stringify(documentJsonSchema(), null, 2)}\n`
  if (options.write === undefined) io.out.write(text)
  else await writeWhole(options.write, text, io.cwd)
  return 0
}

export const schemaCommand: CommandSpec = {
  name: 'schema',
  summary: 'Print the JSON Schema of the configuration, for editors.',
  description:
    'Prints the JSON Schema of the configuration. Editors complete and check a YAML file that begins with `# yaml-language-server: $schema=./partsmith.schema.json`, and a JSON file whose "$schema" names it.',
  options: [{ flags: '--write <file>', description: 'Writes it to a file instead, all of it or nothing.' }],
  examples: [{ line: 'pg-partsmith schema --write partsmith.schema.json', what: 'beside the configuration' }],
  exitCodes: [0, 4],
  run: (given, io) => runSchema({ write: given.text('write') }, io),
}
