import { InvalidPartitionConfigError, PartitionNotFoundError } from '../errors.ts'
import { defaultMarkerPrefix, validateMarkerPrefix } from '../model/marker.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest } from '../plan/evidence.ts'
import { needsEvidence, noEvidence } from '../plan/evidence.ts'
import { listPartitionedTables, pinSettings, readTakenNames } from '../sql/catalog.ts'
import { readingSettings } from '../sql/settings.ts'
import { countInDefault } from '../sql/move-from-default.ts'
import { qualified, sql, toText } from '../sql/sql.ts'
import { readTrees } from './catalog-reader.ts'
import type { DatabaseClient } from './client.ts'
import type { ClientSource } from './clients/to-client.ts'
import { toClient } from './clients/to-client.ts'
import { explainReading } from './explain-failure.ts'
import type { PartitionMetadataProvider, ReadOptions } from './metadata-provider.ts'
import type { Session } from './session.ts'
import { withConnection } from './session.ts'
import { sqlStateOf, sqlStates } from './sql-state.ts'

export interface PostgresMetadataProviderOptions {
  /** How the markers in table comments begin. @default 'pg-partsmith' */
  readonly markerPrefix?: string
}

/** Reads the catalog of a PostgreSQL server, 15 or later. */
export class PostgresMetadataProvider implements PartitionMetadataProvider {
  readonly markerPrefix: string
  readonly #client: DatabaseClient

  constructor(client: ClientSource, options: PostgresMetadataProviderOptions = {}) {
    this.#client = toClient(client)
    this.markerPrefix = options.markerPrefix ?? defaultMarkerPrefix
    const problem = validateMarkerPrefix(this.markerPrefix)
    if (problem !== undefined) throw new InvalidPartitionConfigError(problem)
  }

  async readTree(table: TableName, options: ReadOptions = {}): Promise<PartitionTree> {
    const [tree] = await this.readTrees([table], options)
    if (!tree) throw new PartitionNotFoundError(`The catalog gave no answer about ${formatTableName(table)}.`)
    return tree
  }

  /** Reads several tables in one snapshot, with as many statements as for one. */
  async readTrees(
    tables: readonly TableName[],
    options: ReadOptions = {},
  ): Promise<readonly PartitionTree[]> {
    return this.#reading(options, (session) => readTrees(session, tables, this.markerPrefix))
  }

  async collectEvidence(request: EvidenceRequest, options: ReadOptions = {}): Promise<Evidence> {
    if (!needsEvidence(request)) return noEvidence
    return this.#reading(options, async (session) => ({
      takenNames: await readNames(session, request.names),
      ...((await readable(session, () => countRows(session, request))) ?? { rowsInDefault: new Map() }),
      empty: await readEmpty(session, request.maybeEmpty),
    }))
  }

  /** The partitioned tables of the database that are not partitions themselves. */
  async listTables(options: ReadOptions = {}): Promise<readonly TableName[]> {
    return this.#reading(options, (session) =>
      session.transaction(
        async () => {
          await session.query(pinSettings)
          const { rows } = await session.query(listPartitionedTables)
          return rows.map((row) => ({ schema: String(row['schema']), name: String(row['name']) }))
        },
        { readOnly: true },
      ),
    )
  }

  async #reading<T>({ signal }: ReadOptions, read: (session: Session) => Promise<T>): Promise<T> {
    try {
      return await withConnection(this.#client, { signal }, read)
    } catch (error) {
      throw explainReading(error)
    }
  }
}

async function readNames(session: Session, names: readonly TableName[]): Promise<Evidence['takenNames']> {
  if (names.length === 0) return new Map()
  return session.transaction(
    async () => {
      await session.query(pinSettings)
      const { rows } = await session.query(readTakenNames, [
        names.map(({ schema }) => schema),
        names.map(({ name }) => name),
      ])
      return new Map(
        rows.map((row) => [
          formatTableName({ schema: String(row['schema']), name: String(row['name']) }),
          { oid: String(row['oid']), what: String(row['what']) },
        ]),
      )
    },
    { readOnly: true },
  )
}

async function countRows(
  session: Session,
  { defaultRows }: EvidenceRequest,
): Promise<Pick<Evidence, 'rowsInDefault' | 'rowsAstray' | 'rowsAhead' | 'defaultScan'>> {
  if (!defaultRows) return { rowsInDefault: new Map() }
  const [row] = (await session.query(toText(countInDefault(defaultRows)))).rows
  const text = row?.['rows']
  const counts: unknown = typeof text === 'string' ? JSON.parse(text) : []
  const found = Array.isArray(counts) ? counts.map(Number) : []
  return {
    rowsInDefault: new Map(defaultRows.ranges.map(({ from }, index) => [from, found[index] ?? 0])),
    rowsAstray: Number(row?.['astray']),
    rowsAhead: row?.['ahead'] === 'true',
    defaultScan: { bytes: Number(row?.['bytes']), keyIndexed: row?.['key_indexed'] === 'true' },
  }
}

async function readEmpty(
  session: Session,
  tables: EvidenceRequest['maybeEmpty'],
): Promise<ReadonlySet<string>> {
  const empty = new Set<string>()
  for (const { oid, name } of tables) {
    const rows = await readable(session, async () => {
      const answer = await session.query(
        toText(sql`SELECT EXISTS (SELECT FROM ${qualified(name)})::text AS filled`),
      )
      return answer.rows
    })
    if (rows?.[0]?.['filled'] === 'false') empty.add(oid)
  }
  return empty
}

/** Reads rows of a user's table: without the right to, or where the table is gone, the answer is "unknown". */
async function readable<T>(session: Session, read: () => Promise<T>): Promise<T | undefined> {
  const unknown: readonly (string | undefined)[] = [
    sqlStates.insufficientPrivilege,
    sqlStates.undefinedTable,
    sqlStates.lockNotAvailable,
  ]
  try {
    return await session.transaction(
      async () => {
        await session.query(pinSettings)
        await session.query(toText(readingSettings))
        return read()
      },
      { readOnly: true },
    )
  } catch (error) {
    if (unknown.includes(sqlStateOf(error))) return undefined
    throw error
  }
}
