import { type DocumentTable, formatTableName, nearest } from '../index.ts'
import { CommandError } from './command-error.ts'
import { tableText } from './render/printable.ts'

/**
 * The configured tables that were asked for, in the order of the configuration; all of them when none was.
 *
 * A name without a schema stands for every table of that name. Throws a `CommandError` for a name that is not there.
 */
export function selectTables(
  configured: readonly DocumentTable[],
  names: readonly string[],
): readonly DocumentTable[] {
  const unknown = names.filter((name) => !configured.some((table) => isNamed(table, name)))
  if (unknown.length > 0) {
    throw new CommandError(unknown.map((name) => notConfigured(name, configured)).join('\n'), {
      exitCode: 4,
      code: 'unknown-table',
    })
  }
  return names.length === 0
    ? configured
    : configured.filter((table) => names.some((name) => isNamed(table, name)))
}

/** Names come quoted as the output shows them, or bare as they are typed. */
function isNamed({ config: { table } }: DocumentTable, name: string): boolean {
  return name === table.name || name === `${table.schema}.${table.name}` || name === formatTableName(table)
}

function notConfigured(name: string, configured: readonly DocumentTable[]): string {
  const names = configured.map(({ config }) => tableText(config.table))
  const bare = configured.map(({ config }) => config.table.name)
  const near = nearest(name, names) ?? names[bare.indexOf(nearest(name, bare) ?? '')]
  const meant = near === undefined ? '' : ` Did you mean ${near}?`
  return `There is no table ${JSON.stringify(name)} in the configuration.${meant} It has ${firstTwenty(names)}.`
}

function firstTwenty(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ')
  return names.length > 20 ? `${shown} and ${names.length - 20} more` : shown
}
