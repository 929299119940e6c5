import { type DocumentTable, formatTableName, type TableName } from '../index.ts'
import { CommandError } from './command-error.ts'
import type { OptionSpec } from './command-spec.ts'
import { tableText } from './render/printable.ts'

/** The option by which a command is told detached tables. */
export const partitionOption: OptionSpec = {
  flags: '--partition <name>',
  description:
    'A detached table in the schema of the partitioned one, with the schema or without. May be given several times.',
  repeatable: true,
}

/** A detached table is of one parent, so it must be clear which. */
export function refuseUnclear(
  tables: readonly DocumentTable[],
  partitions: readonly string[],
  says: { readonly unnamed: string; readonly belongs: 'belongs to' | 'belonged to' },
): void {
  const problem =
    partitions.length === 0
      ? says.unnamed
      : tables.length === 1
        ? undefined
        : unclearText(tables, partitions, says.belongs)
  if (problem !== undefined) throw new CommandError(problem, { exitCode: 64, code: 'usage' })
}

/** `It is not clear which table x belongs to. Say it with --table: app.events, app.audit.` */
export function unclearText(
  tables: readonly DocumentTable[],
  partitions: readonly string[],
  belongs: 'belongs to' | 'belonged to',
): string {
  return `It is not clear which table ${partitions.join(', ')} ${belongs}. Say it with --table: ${tables
    .map(({ config }) => tableText(config.table))
    .join(', ')}.`
}

/**
 * The bare name of a partition in its parent's schema, given bare or with that schema, as findings print it.
 *
 * After the schema, quotes are those of SQL. Anything else is the name as it stands, dots included.
 */
export function partitionNamed(given: string, { schema }: TableName): string {
  const quotedSchema = formatTableName({ schema, name: 'a' }).slice(0, -1)
  const prefix = [quotedSchema, `${schema}.`].find((one) => given.startsWith(one) && given !== one)
  if (prefix === undefined) return given
  const name = given.slice(prefix.length)
  return /^"(?:[^"]|"")+"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"') : name
}
