import {
  type DocumentTable,
  formatTableName,
  type Partsmith,
  type TableName,
  type TreeReading,
} from '../index.ts'
import { CommandError } from './command-error.ts'
import { partitionNamed, unclearText } from './partition-named.ts'

interface Asked {
  readonly partsmith: Partsmith
  readonly signal: AbortSignal
}

/**
 * The tables that the names belong to, each with its own: by what is attached to them, and by the markers of what is not.
 *
 * Only a hint for who left `--table` out: everything is checked as it is with it. Throws where a name is known of none of
 * the tables, or of several.
 */
export async function whosePartitions(
  tables: readonly DocumentTable[],
  partitions: readonly string[],
  asked: Asked,
): Promise<ReadonlyMap<DocumentTable, readonly string[]>> {
  const { partsmith, signal } = asked
  const readings: TreeReading[] = []
  await partsmith.metadata.readTrees(
    tables.map(({ config }) => config.table),
    (reading) => void readings.push(reading),
    { signal },
  )
  const owned = new Map<DocumentTable, readonly string[]>()
  const unclear: string[] = []
  for (const given of partitions) {
    const owners = tables.filter(({ config: { table } }, index) => {
      const reading = readings[index]
      if (!reading || !('tree' in reading)) return false
      const name = formatTableName(named(given, table))
      return [...reading.tree.partitions, ...reading.tree.detached].some(
        (one) => formatTableName(one.name) === name,
      )
    })
    const [owner] = owners
    if (owner && owners.length === 1) owned.set(owner, [...(owned.get(owner) ?? []), given])
    else unclear.push(given)
  }
  if (unclear.length > 0) await refuse(tables, unclear, asked)
  return owned
}

function named(given: string, table: TableName): TableName {
  return { schema: table.schema, name: partitionNamed(given, table) }
}

/** What is not there at all is a mistake of another kind than what no table is known to have had. */
async function refuse(
  tables: readonly DocumentTable[],
  unclear: readonly string[],
  { partsmith, signal }: Asked,
): Promise<never> {
  const namesOf = (given: string): readonly TableName[] =>
    tables.map(({ config }) => named(given, config.table))
  const { takenNames } = await partsmith.metadata.collectEvidence(
    { names: unclear.flatMap(namesOf), maybeEmpty: [] },
    { signal },
  )
  const isThere = (given: string): boolean =>
    namesOf(given).some((name) => takenNames.has(formatTableName(name)))
  const missing = unclear.filter((given) => !isThere(given))
  const there = unclear.filter(isThere)
  const schemas = [...new Set(tables.map(({ config }) => config.table.schema))]
  const sentences = [
    ...missing.map(
      (given) =>
        `There is no table ${given} in the ${schemas.length === 1 ? 'schema' : 'schemas'} ${schemas.join(', ')}.`,
    ),
    ...(there.length > 0 ? [unclearText(tables, there, 'belongs to')] : []),
    'Nothing was changed.',
  ]
  throw there.length > 0
    ? new CommandError(sentences.join(' '), { exitCode: 64, code: 'usage' })
    : new CommandError(`${sentences.join(' ')} \`inspect\` lists what is detached.`, {
        exitCode: 4,
        code: 'partition-not-found',
      })
}
