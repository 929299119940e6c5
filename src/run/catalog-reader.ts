import { ServerUnsupportedError } from '../errors.ts'
import { Instant } from '../model/instant.ts'
import { hintsOfMarker, hintsOfParent, markerHeads, namesParent } from '../model/marker.ts'
import { firstThatMatches } from '../model/parent-change.ts'
import type {
  DetachedTable,
  ParentTable,
  Partition,
  RelationFacts,
  ServerFacts,
} from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import {
  listPartitionedTables,
  pinAndReadServer,
  readMarked,
  readParents,
  readPartitions,
  readPartitionsAndChanges,
} from '../sql/catalog.ts'
import type { CatalogRow } from './catalog-rows.ts'
import { detachedTable, nameOf, parentTable, partitionsIn, text } from './catalog-rows.ts'
import type { TreeReading } from './metadata-provider.ts'
import type { Session } from './session.ts'

/** The oldest server that is maintained: DETACH CONCURRENTLY, FINALIZE and the catalog columns behind them. */
const oldestServer = 150000

/**
 * Reads the trees of the tables in one read-only snapshot, with six statements however many and large they are.
 *
 * What cannot be read of one table is said in its own answer; nothing of the session's settings matters or is changed.
 */
export async function readTrees(
  session: Session,
  tables: readonly TableName[],
  markerPrefix: string,
): Promise<readonly TreeReading[]> {
  const { server, parents, partitions, detached } = await session.transaction(
    async () => {
      const [serverRow = {}] = (await session.query(pinAndReadServer)).rows
      const facts = { ...serverFacts(serverRow), ...(session.isPooled && { pooled: true as const }) }
      const { rows: found } = await session.query(readParents, [
        tables.map(({ schema }) => schema),
        tables.map(({ name }) => name),
      ])
      const isMissing = found.some(({ oid }) => typeof oid !== 'string')
      const others = isMissing ? (await session.query(listPartitionedTables)).rows.map(nameOf) : []
      const readings = found.map((row) => parentReading(row, others))
      const oids = readings.flatMap((reading) => ('parent' in reading ? [reading.parent.oid] : []))
      const query = facts.versionNum < firstThatMatches ? readPartitions : readPartitionsAndChanges
      const heads = markerHeads(markerPrefix)
      return {
        server: facts,
        parents: readings,
        partitions: partitionsOf(oids, (await session.query(query, [oids])).rows, markerPrefix),
        detached: (await session.query(readMarked, [heads.orphan, heads.building])).rows.flatMap((row) =>
          detachedTable(row, markerPrefix),
        ),
      }
    },
    { isolation: 'repeatable read', readOnly: true },
  )
  const detachedOf = detachedByParent(detached)
  return parents.map((reading) => {
    if ('error' in reading) return reading
    const { parent } = reading
    return {
      tree: { server, parent, partitions: partitions.get(parent.oid) ?? [], detached: detachedOf(parent) },
    }
  })
}

function partitionsOf(
  parents: readonly string[],
  rows: readonly CatalogRow[],
  markerPrefix: string,
): ReadonlyMap<string, readonly Partition[]> {
  const byParent = new Map<string, Partition[]>(parents.map((oid) => [oid, []]))
  for (const row of rows) {
    const siblings = byParent.get(text(row, 'parent'))
    for (const partition of partitionsIn(row, markerPrefix)) siblings?.push(partition)
  }
  for (const siblings of byParent.values()) siblings.sort(byName)
  return byParent
}

function serverFacts(row: CatalogRow): ServerFacts {
  const versionNum = Number(row['version'])
  if (versionNum < oldestServer) {
    throw new ServerUnsupportedError(
      `The server is PostgreSQL ${Math.floor(versionNum / 10000)}, and pg-partsmith maintains 15 and later. Nothing was changed.`,
    )
  }
  return {
    versionNum,
    // Seconds with six decimals, so without the point they are microseconds.
    now: Instant.fromMicroseconds(BigInt(text(row, 'now').replace('.', ''))),
    inRecovery: row['in_recovery'] === 'true',
    database: `${text(row, 'system')}/${text(row, 'database')}`,
    role: text(row, 'role'),
    deadlockTimeoutMs: Number(row['deadlock_timeout']) * 1_000,
    shortestDeadlockTimeoutMs: Number(row['shortest_deadlock_timeout_ms']),
  }
}

type ParentReading = { readonly parent: ParentTable } | { readonly error: unknown }

function parentReading(row: CatalogRow, others: readonly TableName[]): ParentReading {
  try {
    return { parent: parentTable(row, others) }
  } catch (error) {
    return { error }
  }
}

/** Finds the detached tables that name a parent, in their order, without comparing each with every parent of a fleet. */
function detachedByParent(
  detached: readonly DetachedTable[],
): (parent: ParentTable) => readonly DetachedTable[] {
  const hinted = new Map<string, Set<DetachedTable>>()
  for (const table of detached) {
    for (const hint of hintsOfMarker(table.marker)) {
      const tables = hinted.get(hint)
      if (tables) tables.add(table)
      else hinted.set(hint, new Set([table]))
    }
  }
  return (parent) => {
    const hints = hintsOfParent(parent).flatMap((hint) => [...(hinted.get(hint) ?? [])])
    return [...new Set(hints)].filter(({ marker }) => namesParent(marker, parent)).sort(byName)
  }
}

function byName({ name: a }: RelationFacts, { name: b }: RelationFacts): number {
  if (a.schema !== b.schema) return a.schema < b.schema ? -1 : 1
  return a.name < b.name ? -1 : 1
}
