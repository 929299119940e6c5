import { type DocumentTable, formatTableName, type Partsmith, type TreeReading } from '../index.ts'
import { partitionNamed } from './partition-named.ts'

/**
 * The tables that the names belong to, each with its own: by what is attached to them, and by the markers of what is not.
 *
 * Only a hint for who left `--table` out: everything is checked as it is with it. Gives undefined where a name is known of
 * none of the tables, or of several.
 */
export async function whosePartitions(
  tables: readonly DocumentTable[],
  partitions: readonly string[],
  { partsmith, signal }: { readonly partsmith: Partsmith; readonly signal: AbortSignal },
): Promise<ReadonlyMap<DocumentTable, readonly string[]> | undefined> {
  const readings: TreeReading[] = []
  await partsmith.metadata.readTrees(
    tables.map(({ config }) => config.table),
    (reading) => void readings.push(reading),
    { signal },
  )
  const owned = new Map<DocumentTable, readonly string[]>()
  for (const given of partitions) {
    const owners = tables.filter(({ config: { table } }, index) => {
      const reading = readings[index]
      if (!reading || !('tree' in reading)) return false
      const name = formatTableName({ schema: table.schema, name: partitionNamed(given, table) })
      return [...reading.tree.partitions, ...reading.tree.detached].some(
        (one) => formatTableName(one.name) === name,
      )
    })
    const [owner] = owners
    if (!owner || owners.length > 1) return undefined
    owned.set(owner, [...(owned.get(owner) ?? []), given])
  }
  return owned
}
