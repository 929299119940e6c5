import { InvalidPartitionConfigError, PartitionNotFoundError } from '../errors.ts'
import { parseBound } from '../model/bound-text.ts'
import { decodeMarker } from '../model/marker.ts'
import type {
  DetachedTable,
  ForeignKey,
  KeyColumn,
  ParentTable,
  Partition,
  PartitionType,
  RelationKind,
  UniqueKey,
} from '../model/partition-tree.ts'
import type { ParentChange } from '../model/parent-change.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { arrayColumn } from '../sql/array-column.ts'
import type { JsonObject } from '../sql/json-column.ts'
import { jsonColumn, jsonNumbered, jsonNumbers, jsonTexts, member } from '../sql/json-column.ts'
import { whichTable } from './meant-table.ts'

/** A row of one of the catalog's queries: texts and nulls. */
export type CatalogRow = Readonly<Record<string, unknown>>

const methods: Readonly<Record<string, PartitionType>> = { r: 'range', l: 'list', h: 'hash' }
const kinds: Readonly<Record<string, RelationKind>> = { r: 'table', p: 'partitioned', f: 'foreign' }

/** Throws a sentence where there is no such table, or one that is not partitioned; `others` are what may be meant. */
export function parentTable(row: CatalogRow, others: readonly TableName[]): ParentTable {
  const name = nameOf(row)
  if (typeof row['oid'] !== 'string') {
    throw new PartitionNotFoundError(
      `There is no table ${formatTableName(name)} in this database. ${whichTable(name, others)}Check the schema and the spelling: names are compared exactly, capitals included.`,
    )
  }
  const method = methods[String(row['method'])]
  if (method === undefined) {
    throw new InvalidPartitionConfigError(
      `${formatTableName(name)} is not a partitioned table. Only tables declared with PARTITION BY can be maintained.`,
    )
  }
  const columns = jsonNumbered(row['columns'])
  return {
    oid: row['oid'],
    name,
    method,
    key: keyColumns(row, columns),
    // Objects have keys that are whole numbers in their order.
    columns: [...columns.values()],
    uniqueKeys: jsonColumn(row['unique_keys'], (key): UniqueKey => ({
      name: member(key, 'name'),
      columns: jsonNumbers(key['columns']).flatMap((number) => columns.get(number) ?? []),
    })),
    excludes: isGiven(row, 'excludes'),
    referencedBy: foreignKeys(row['referenced_by']),
    foreignKeys: foreignKeys(row['foreign_keys']),
    owner: text(row, 'owner'),
    owned: isGiven(row, 'owned'),
    mayCreate: isGiven(row, 'creates'),
    mayEmptyDefault: isGiven(row, 'empties_default'),
    ...(typeof row['access_method'] === 'string' && { accessMethod: row['access_method'] }),
    ...(typeof row['tablespace'] === 'string' && { tablespace: row['tablespace'] }),
    ...(typeof row['denied_tablespaces'] === 'string' && {
      deniedTablespaces: jsonTexts(row['denied_tablespaces']),
    }),
    ...(row['default_excludes'] === 'true' && { defaultExcludesRange: true }),
    ...(typeof row['published_by'] === 'string' && { publishedBy: row['published_by'] }),
    ...(typeof row['foreign_key_oids'] === 'string' && { foreignKeyOids: row['foreign_key_oids'] }),
  }
}

/** An expression has the column number 0, and all expressions of a key come in one text. */
function keyColumns(row: CatalogRow, columns: ReadonlyMap<number, string>): readonly KeyColumn[] {
  const types = jsonNumbered(row['key_types'])
  return jsonNumbers(row['key']).map((number) => ({
    name: columns.get(number),
    expression: number === 0 ? optionalText(row, 'key_expression') : undefined,
    type: types.get(number) ?? '',
  }))
}

/** The rows about partitions of which there is more to say, by OID. */
export type SpecialRows = ReadonlyMap<string, CatalogRow>

/** The partitions of one parent, one schema and one owner: maybe 100,000 of them, so each is spelled out. */
export function partitionsIn(
  row: CatalogRow,
  special: SpecialRows,
  markerPrefix: string,
): readonly Partition[] {
  const [schema, owner, owned] = [text(row, 'schema'), text(row, 'owner'), isGiven(row, 'owned')]
  const ownerIsTrusted = row['trusted'] === 'true'
  const blockSize = Number(row['block_size'])
  const names = arrayColumn(row['names'])
  const bounds = arrayColumn(row['bounds'])
  const rows = arrayColumn(row['rows'])
  const pages = arrayColumn(row['pages'])
  return arrayColumn(row['oids']).map((oid, index): Partition => {
    const more = special.get(oid ?? '') ?? ordinary
    const kind = text(more, 'kind')
    const below = kind === 'p' ? more : undefined
    const rowCount = Number(below ? below['rows'] : rows[index])
    const pageCount = Number(below ? below['pages'] : pages[index])
    const comment = optionalText(more, 'comment')
    const boundText = bounds[index] ?? ''
    return {
      oid: oid ?? '',
      name: { schema, name: names[index] ?? '' },
      kind: kinds[kind] ?? 'other',
      owner,
      owned,
      ownerIsTrusted,
      rowEstimate: rowCount >= 0 ? rowCount : undefined,
      // The catalog says 0 pages of a table that was never looked at, however large it is.
      sizeBytes: pageCount === 0 && rowCount < 0 ? undefined : pageCount * blockSize,
      comment,
      boundText,
      bound: parseBound(boundText),
      detachPending: more['pending'] === 'true',
      marker: decodeMarker(comment, markerPrefix).marker,
      partitions:
        typeof more['partitions'] === 'string' ? jsonColumn(more['partitions'], tableOf) : undefined,
      foreignBelow:
        typeof more['foreign_below'] === 'string' ? jsonColumn(more['foreign_below'], tableOf)[0] : undefined,
      parentChanges: typeof more['changes'] === 'string' ? parentChanges(more['changes']) : undefined,
    }
  })
}

/** A table without a comment, in which nothing is going on. */
const ordinary: CatalogRow = { kind: 'r' }

function parentChanges(value: unknown): readonly ParentChange[] {
  return jsonColumn(value, (change): ParentChange => {
    const name = member(change, 'name')
    const was = member(change, 'was')
    switch (member(change, 'kind')) {
      case 'column':
        return { kind: 'column', column: name, surplus: jsonTexts(change['surplus']) }
      case 'type':
        return { kind: 'type', column: name, was }
      case 'not-null':
        return { kind: 'not-null', column: name, primaryKey: was === '' ? undefined : was }
      default:
        return { kind: 'check', constraint: name }
    }
  })
}

/** A marked table before it is known which parent is meant. */
export interface MarkedTable extends Omit<DetachedTable, 'ownerIsTrusted'> {
  /** The owners of parents that its own owner may act as. */
  readonly actsAs: readonly (string | null)[]
}

export function markedTable(row: CatalogRow, markerPrefix: string): readonly MarkedTable[] {
  const comment = optionalText(row, 'comment')
  const { marker } = decodeMarker(comment, markerPrefix)
  if (!marker) return []
  return [
    {
      oid: text(row, 'oid'),
      name: nameOf(row),
      kind: kinds[text(row, 'kind')] ?? 'other',
      owner: text(row, 'owner'),
      owned: isGiven(row, 'owned'),
      rowEstimate: rowEstimate(row),
      sizeBytes: sizeBytes(row),
      comment,
      marker,
      actsAs: arrayColumn(row['acts_as']),
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

/** The catalog says -1 until the first ANALYZE or VACUUM. */
function rowEstimate(row: CatalogRow): number | undefined {
  const rows = Number(row['rows'])
  return rows >= 0 ? rows : undefined
}

/** The catalog says 0 pages of a table that was never looked at, however large it is. */
function sizeBytes(row: CatalogRow): number | undefined {
  return row['size'] === '0' && Number(row['rows']) < 0 ? undefined : Number(row['size'])
}

export function foreignKeys(value: unknown): readonly ForeignKey[] {
  return jsonColumn(value, (key) => ({
    name: member(key, 'name'),
    table: { schema: member(key, 'schema'), name: member(key, 'table') },
    ...(Array.isArray(key['partitions']) && {
      partitions: jsonColumn(key['partitions'], tableOf),
    }),
  }))
}

function tableOf(entry: JsonObject): TableName {
  return { schema: member(entry, 'schema'), name: member(entry, 'name') }
}

export function nameOf(row: CatalogRow): TableName {
  return { schema: text(row, 'schema'), name: text(row, 'name') }
}

/** The server answers NULL about the rights on what was dropped since the snapshot; that is for others to find. */
function isGiven(row: CatalogRow, column: string): boolean {
  return row[column] !== 'false'
}

export function text(row: CatalogRow, column: string): string {
  return String(row[column])
}

function optionalText(row: CatalogRow, column: string): string | undefined {
  const value = row[column]
  return typeof value === 'string' ? value : undefined
}
