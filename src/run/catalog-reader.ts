import { setImmediate } from 'node:timers/promises'

import { ServerUnsupportedError } from '../errors.ts'
import { Instant } from '../model/instant.ts'
import { hintsOfMarker, hintsOfParent, markerHeads, namesParent } from '../model/marker.ts'
import { firstThatMatches } from '../model/parent-change.ts'
import type {
  DetachedTable,
  ParentTable,
  Partition,
  PartitionTree,
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
  readSpecialPartitions,
  readSpecialPartitionsAndChanges,
} from '../sql/catalog.ts'
import { arrayColumn } from '../sql/array-column.ts'
import type { CatalogRow, MarkedTable, SpecialRows } from './catalog-rows.ts'
import { markedTable, nameOf, parentTable, partitionsIn, text } from './catalog-rows.ts'
import type { TakeReading } from './metadata-provider.ts'
import type { Session } from './session.ts'

/** The oldest server that is maintained: DETACH CONCURRENTLY, FINALIZE and the catalog columns behind them. */
const oldestServer = 150000

/**
 * A fleet is planned in so many pieces at most, each while the server looks up the next; what asks for few tables waits for
 * the answer anyway.
 */
const mostPieces = 8
const leastInPiece = 50

/**
 * Reads the trees of the tables in one read-only snapshot, and gives each to `take`, in their order. The number of
 * statements does not grow with how many or how large they are.
 *
 * A tree is made of the server's answer right before it is taken, so that those of a fleet are not in memory together; and
 * what else this process does has its turn between the pieces.
 *
 * What cannot be read of one table is said in its own answer; nothing of the session's settings matters or is changed.
 */
export async function readTrees(
  session: Session,
  tables: readonly TableName[],
  { markerPrefix, take }: { readonly markerPrefix: string; readonly take: TakeReading },
): Promise<void> {
  await session.transaction(
    async () => {
      const [serverRow = {}] = (await session.query(pinAndReadServer)).rows
      const server = { ...serverFacts(serverRow), ...(session.isPooled && { pooled: true as const }) }
      const { rows: found } = await session.query(readParents, [
        tables.map(({ schema }) => schema),
        tables.map(({ name }) => name),
      ])
      const isMissing = found.some(({ oid }) => typeof oid !== 'string')
      const others = isMissing ? (await session.query(listPartitionedTables)).rows.map(nameOf) : []
      const readings = found.map((row) => parentReading(row, others))
      const heads = markerHeads(markerPrefix)
      const { rows: marked } = await session.query(readMarked, [
        heads.orphan,
        heads.building,
        readings.flatMap(oidOf),
      ])
      const detachedOf = detachedByParent(marked.flatMap((row) => markedTable(row, markerPrefix)))
      let index = 0
      await inPieces(
        readings,
        (piece) => partitionRows(session, piece.flatMap(oidOf), server),
        (piece, rows) => {
          const parts = { server, detachedOf, partitions: partitionsByParent(rows, markerPrefix) }
          for (const reading of piece) {
            take('error' in reading ? reading : { tree: treeOf(reading.parent, parts) }, index++)
          }
        },
      )
    },
    { isolation: 'repeatable read', readOnly: true },
  )
}

/** Asks for the next piece before it uses one. */
async function inPieces<T, A>(
  all: readonly T[],
  ask: (piece: readonly T[]) => Promise<A>,
  use: (piece: readonly T[], answer: A) => void,
): Promise<void> {
  const size = Math.max(leastInPiece, Math.ceil(all.length / mostPieces))
  const pieces = Array.from({ length: Math.ceil(all.length / size) }, (_, index) =>
    all.slice(index * size, (index + 1) * size),
  )
  let asked = pieces[0] && ask(pieces[0])
  for (const [index, piece] of pieces.entries()) {
    const answer = await asked
    const next = pieces[index + 1]
    asked = next && ask(next)
    // A failure is of interest when it is its turn.
    asked?.catch(() => undefined)
    // By then the question is on its way.
    await setImmediate()
    if (answer !== undefined) use(piece, answer)
  }
}

interface PartitionRows {
  readonly rows: readonly CatalogRow[]
  readonly special: SpecialRows
}

async function partitionRows(
  session: Session,
  parents: readonly string[],
  { versionNum }: ServerFacts,
): Promise<PartitionRows> {
  const { rows } = await session.query(readPartitions, [parents])
  const oids = rows.flatMap((row) => arrayColumn(row['special']))
  if (oids.length === 0) return { rows, special: new Map() }
  const query = versionNum < firstThatMatches ? readSpecialPartitions : readSpecialPartitionsAndChanges
  const special = (await session.query(query, [oids])).rows
  return { rows, special: new Map(special.map((row) => [text(row, 'oid'), row])) }
}

function partitionsByParent(
  { rows, special }: PartitionRows,
  markerPrefix: string,
): (parent: ParentTable) => readonly Partition[] {
  const byParent = new Map<string, CatalogRow[]>()
  for (const row of rows) {
    const parent = text(row, 'parent')
    const known = byParent.get(parent)
    if (known) known.push(row)
    else byParent.set(parent, [row])
  }
  return ({ oid }) =>
    (byParent.get(oid) ?? []).flatMap((row) => partitionsIn(row, special, markerPrefix)).sort(byName)
}

interface TreeParts {
  readonly server: ServerFacts
  readonly partitions: (parent: ParentTable) => readonly Partition[]
  readonly detachedOf: (parent: ParentTable) => readonly DetachedTable[]
}

function treeOf(parent: ParentTable, { server, partitions, detachedOf }: TreeParts): PartitionTree {
  return { server, parent, partitions: partitions(parent), detached: detachedOf(parent) }
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
    ...(row['read_only_by_default'] === 'on' && { readOnlyByDefault: true }),
    database: `${text(row, 'system')}/${text(row, 'database')}`,
    role: text(row, 'role'),
    deadlockTimeoutMs: Number(row['deadlock_timeout']) * 1_000,
    shortestDeadlockTimeoutMs: Number(row['shortest_deadlock_timeout_ms']),
  }
}

type ParentReading = { readonly parent: ParentTable } | { readonly error: unknown }

function oidOf(reading: ParentReading): readonly string[] {
  return 'parent' in reading ? [reading.parent.oid] : []
}

function parentReading(row: CatalogRow, others: readonly TableName[]): ParentReading {
  try {
    return { parent: parentTable(row, others) }
  } catch (error) {
    return { error }
  }
}

/** Finds the detached tables that name a parent, in their order, without comparing each with every parent of a fleet. */
function detachedByParent(
  detached: readonly MarkedTable[],
): (parent: ParentTable) => readonly DetachedTable[] {
  const hinted = new Map<string, Set<MarkedTable>>()
  for (const table of detached) {
    for (const hint of hintsOfMarker(table.marker)) {
      const tables = hinted.get(hint)
      if (tables) tables.add(table)
      else hinted.set(hint, new Set([table]))
    }
  }
  return (parent) => {
    const hints = hintsOfParent(parent).flatMap((hint) => [...(hinted.get(hint) ?? [])])
    return [...new Set(hints)]
      .filter(({ marker }) => namesParent(marker, parent))
      .map(({ actsAs, ...table }) => ({ ...table, ownerIsTrusted: actsAs.includes(parent.owner) }))
      .sort(byName)
  }
}

function byName({ name: a }: RelationFacts, { name: b }: RelationFacts): number {
  if (a.schema !== b.schema) return a.schema < b.schema ? -1 : 1
  return a.name < b.name ? -1 : 1
}
