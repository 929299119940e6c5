import { PartitionNotFoundError } from '../errors.ts'
import { defaultMarkerPrefix } from '../model/marker.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { DefaultRowsAnswer, DefaultRowsQuestion } from '../plan/default-report.ts'
import type { Evidence, EvidenceRequest } from '../plan/evidence.ts'
import { needsEvidence, noEvidence } from '../plan/evidence.ts'
import { checkOptions } from '../policy/call-options.ts'
import { listPartitionedTables, pinSettings, readChildren } from '../sql/catalog.ts'
import { toText } from '../sql/sql.ts'
import { readTrees } from './catalog-reader.ts'
import type { DatabaseClient } from './client.ts'
import type { ClientSource } from './clients/to-client.ts'
import { toClient } from './clients/to-client.ts'
import { readDefaultRows } from './default-rows-reader.ts'
import { readEvidence, readTogether } from './evidence-reader.ts'
import { explainReading } from './explain-failure.ts'
import type { HoldersSeen } from './lock-holders.ts'
import { holdersOf, nobodySeen } from './lock-holders.ts'
import type { PartitionMetadataProvider, ReadOptions, TakeReading, TreeReading } from './metadata-provider.ts'
import type { Session } from './session.ts'
import { longestSilenceMs, withConnection } from './session.ts'

export interface PostgresMetadataProviderOptions {
  /** How the markers in table comments begin. @default 'pg-partsmith' */
  readonly markerPrefix?: string
}

/** Reads the catalog of a PostgreSQL server, 15 or later. */
export class PostgresMetadataProvider implements PartitionMetadataProvider {
  readonly markerPrefix: string
  readonly #client: DatabaseClient

  constructor(client: ClientSource, options: PostgresMetadataProviderOptions = {}) {
    checkOptions('metadata', options)
    this.#client = toClient(client)
    this.markerPrefix = options.markerPrefix ?? defaultMarkerPrefix
  }

  async readTree(table: TableName, options: ReadOptions = {}): Promise<PartitionTree> {
    const readings: TreeReading[] = []
    await this.readTrees([table], (reading) => void readings.push(reading), options)
    const [reading] = readings
    if (!reading)
      throw new PartitionNotFoundError(`The catalog gave no answer about ${formatTableName(table)}.`)
    if ('error' in reading) throw reading.error
    return reading.tree
  }

  /** Reads several tables in one snapshot; how many statements that takes does not depend on how many they are. */
  async readTrees(tables: readonly TableName[], take: TakeReading, options: ReadOptions = {}): Promise<void> {
    return this.#reading(options, (session) =>
      readTrees(session, tables, { markerPrefix: this.markerPrefix, take }),
    )
  }

  async hasSamePartitions(
    { parent, partitions }: PartitionTree,
    options: ReadOptions = {},
  ): Promise<boolean> {
    const { rows } = await this.#reading(options, (session) => session.query(toText(readChildren(parent))))
    const now = new Map(
      rows.flatMap((row) => (row['oid'] === null ? [] : [[row['oid'], row['pending'] === 'true']])),
    )
    return (
      (parent.foreignKeyOids === undefined || rows[0]?.['foreign_key_oids'] === parent.foreignKeyOids) &&
      now.size === partitions.length &&
      partitions.every(({ oid, detachPending }) => now.get(oid) === detachPending)
    )
  }

  async collectEvidence(request: EvidenceRequest, options: ReadOptions = {}): Promise<Evidence> {
    if (!needsEvidence(request)) return noEvidence
    const longestMs = request.limits?.withinMs
    return this.#reading({ ...options, ...(longestMs !== undefined && { longestMs }) }, (session) =>
      readEvidence(session, request, this.#client),
    )
  }

  /** Names in one statement, and in another one which of the DEFAULT partitions have no page and so no row. */
  async collectTogether(
    requests: readonly EvidenceRequest[],
    options: ReadOptions = {},
  ): Promise<readonly (Evidence | undefined)[]> {
    return this.#reading(options, (session) => readTogether(session, requests, this.#client))
  }

  /** Counts in full what is small, and a sample of pages of what is large. */
  async countDefaultRows(
    question: DefaultRowsQuestion,
    { mostMs, ...options }: ReadOptions & { readonly mostMs: number },
  ): Promise<DefaultRowsAnswer | string> {
    return this.#reading({ ...options, longestMs: mostMs }, (session) =>
      readDefaultRows(session, question, { client: this.#client, mostMs }),
    )
  }

  /** Sessions and prepared transactions, in one statement. */
  async readLockHolders(tables: readonly TableName[], options: ReadOptions = {}): Promise<HoldersSeen> {
    if (tables.length === 0) return nobodySeen
    return this.#reading(options, (session) => holdersOf(session, { tables }))
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

  /** `longestMs` is what the server lets one of its statements run for. */
  async #reading<T>(
    { signal, longestMs = 0 }: ReadOptions & { readonly longestMs?: number },
    read: (session: Session) => Promise<T>,
  ): Promise<T> {
    const silenceMs = longestSilenceMs + longestMs
    try {
      return await withConnection(this.#client, { signal, silenceMs }, read)
    } catch (error) {
      throw explainReading(error)
    }
  }
}
