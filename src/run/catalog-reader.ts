import { InvalidPartitionConfigError, PartitionNotFoundError, ServerUnsupportedError } from '../errors.ts'
import { parseBound } from '../model/bound-text.ts'
import { Instant } from '../model/instant.ts'
import { decodeMarker, markerHeads, namesParent } from '../model/marker.ts'
import type {
  DetachedTable,
  ForeignKey,
  KeyColumn,
  ParentTable,
  Partition,
  PartitionTree,
  PartitionType,
  RelationFacts,
  RelationKind,
  ServerFacts,
  UniqueKey,
} from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { nearest } from '../policy/suggest.ts'
import { jsonColumn, jsonTexts, member } from '../sql/json-column.ts'
import {
  listPartitionedTables,
  pinSettings,
  readMarked,
  readParents,
  readPartitions,
  readServer,
} from '../sql/catalog.ts'
import type { Session } from './session.ts'

type Row = Readonly<Record<string, unknown>>

/** The oldest server that is maintained: DETACH CONCURRENTLY, FINALIZE and the catalog columns behind them. */
const oldestServer = 150000

/**
 * Reads the trees of the tables in one read-only snapshot, with six statements however many and large they are.
 *
 * Throws for the first table that cannot be read; nothing of the session's settings matters or is changed.
 */
export async function readTrees(
  session: Session,
  tables: readonly TableName[],
  markerPrefix: string,
): Promise<readonly PartitionTree[]> {
  const rows = await session.transaction(
    async () => {
      await session.query(pinSettings)
      const [serverRow = {}] = (await session.query(readServer)).rows
      const server = serverFacts(serverRow)
      const found = await session.query(readParents, [
        tables.map(({ schema }) => schema),
        tables.map(({ name }) => name),
      ])
      const isMissing = found.rows.some(({ oid }) => typeof oid !== 'string')
      const others = isMissing ? (await session.query(listPartitionedTables)).rows.map(nameOf) : []
      const parents = found.rows.map((row) => parentTable(row, others))
      const partitions = (await session.query(readPartitions, [parents.map(({ oid }) => oid)])).rows
      const heads = markerHeads(markerPrefix)
      const marked = (await session.query(readMarked, [heads.orphan, heads.building])).rows
      return { server, parents, partitions, marked }
    },
    { isolation: 'repeatable read', readOnly: true },
  )

  const byParent = new Map<string, Partition[]>(rows.parents.map(({ oid }) => [oid, []]))
  for (const row of rows.partitions) byParent.get(text(row, 'parent'))?.push(partition(row, markerPrefix))
  const detached = rows.marked.flatMap((row) => detachedTable(row, markerPrefix))
  return rows.parents.map((parent) => ({
    server: rows.server,
    parent,
    partitions: (byParent.get(parent.oid) ?? []).sort(byName),
    detached: detached.filter(({ marker }) => namesParent(marker, parent)),
  }))
}

function serverFacts(row: Row): ServerFacts {
  const versionNum = Number(row['version'])
  if (versionNum < oldestServer) {
    throw new ServerUnsupportedError(
      `The server is PostgreSQL ${Math.floor(versionNum / 10000)}, and pg-partsmith maintains 15 and later. Nothing was changed.`,
    )
  }
  return {
    versionNum,
    now: Instant.fromMicroseconds(BigInt(text(row, 'now'))),
    inRecovery: row['in_recovery'] === 'true',
    database: text(row, 'database'),
    role: text(row, 'role'),
    deadlockTimeoutMs: Number(row['deadlock_timeout']),
  }
}

const methods: Readonly<Record<string, PartitionType>> = { r: 'range', l: 'list', h: 'hash' }
const kinds: Readonly<Record<string, RelationKind>> = { r: 'table', p: 'partitioned', f: 'foreign' }

function parentTable(row: Row, others: readonly TableName[]): ParentTable {
  const name = nameOf(row)
  if (typeof row['oid'] !== 'string') {
    throw new PartitionNotFoundError(
      `There is no table ${formatTableName(name)} in this database. ${meant(name, others)}Check the schema and the spelling: names are compared exactly, capitals included.`,
    )
  }
  const method = methods[String(row['method'])]
  if (method === undefined) {
    throw new InvalidPartitionConfigError(
      `${formatTableName(name)} is not a partitioned table. Only tables declared with PARTITION BY can be maintained.`,
    )
  }
  return {
    oid: row['oid'],
    name,
    method,
    key: jsonColumn(row['key'], (column): KeyColumn => ({
      name: member(column, 'name') || undefined,
      expression: member(column, 'expression') || undefined,
      type: member(column, 'type'),
    })),
    columns: jsonTexts(row['columns']),
    uniqueKeys: jsonColumn(row['unique_keys'], (key): UniqueKey => ({
      name: member(key, 'name'),
      columns: jsonTexts(JSON.stringify(key['columns'])),
    })),
    referencedBy: foreignKeys(row['referenced_by']),
    foreignKeys: foreignKeys(row['foreign_keys']),
    owner: text(row, 'owner'),
    owned: isGiven(row, 'owned'),
    mayCreate: isGiven(row, 'creates'),
    mayEmptyDefault: isGiven(row, 'empties_default'),
  }
}

/** The same name in another schema, or a near one. */
function meant(wanted: TableName, others: readonly TableName[]): string {
  const names = others.map(formatTableName)
  const bare = others.map(({ name }) => name)
  const near =
    names[bare.indexOf(wanted.name)] ??
    nearest(formatTableName(wanted), names) ??
    names[bare.indexOf(nearest(wanted.name, bare) ?? '')]
  return near === undefined ? '' : `Did you mean ${near}? `
}

function nameOf(row: Row): TableName {
  return { schema: text(row, 'schema'), name: text(row, 'name') }
}

function partition(row: Row, markerPrefix: string): Partition {
  const boundText = typeof row['bound'] === 'string' ? row['bound'] : ''
  return {
    ...relation(row),
    boundText,
    bound: parseBound(boundText),
    detachPending: row['pending'] === 'true',
    marker: decodeMarker(optionalText(row, 'comment'), markerPrefix).marker,
  }
}

function detachedTable(row: Row, markerPrefix: string): readonly DetachedTable[] {
  const { marker } = decodeMarker(optionalText(row, 'comment'), markerPrefix)
  if (!marker) return []
  return [
    {
      ...relation(row),
      marker,
      heirOf: optionalText(row, 'heir_of'),
      columns: jsonColumn(row['columns'], (column) => ({
        name: member(column, 'name'),
        type: member(column, 'type'),
      })),
      referencedBy: foreignKeys(row['referenced_by']),
      foreignKeys: foreignKeys(row['foreign_keys']),
    },
  ]
}

function relation(row: Row): RelationFacts {
  const rows = Number(row['rows'])
  return {
    oid: text(row, 'oid'),
    name: nameOf(row),
    kind: kinds[text(row, 'kind')] ?? 'other',
    owner: text(row, 'owner'),
    owned: isGiven(row, 'owned'),
    // -1 until the first ANALYZE or VACUUM.
    rowEstimate: rows >= 0 ? rows : undefined,
    // The catalog says 0 pages of a table that was never looked at, however large it is.
    sizeBytes: rows < 0 && row['size'] === '0' ? undefined : Number(row['size']),
    comment: optionalText(row, 'comment'),
  }
}

function foreignKeys(value: unknown): readonly ForeignKey[] {
  return jsonColumn(value, (key) => ({
    name: member(key, 'name'),
    table: { schema: member(key, 'schema'), name: member(key, 'table') },
  }))
}

/** The server answers NULL about the rights on what was dropped since the snapshot; that is for others to find. */
function isGiven(row: Row, column: string): boolean {
  return row[column] !== 'false'
}

function text(row: Row, column: string): string {
  return String(row[column])
}

function optionalText(row: Row, column: string): string | undefined {
  const value = row[column]
  return typeof value === 'string' ? value : undefined
}

function byName(a: Partition, b: Partition): number {
  return formatTableName(a.name) < formatTableName(b.name) ? -1 : 1
}
