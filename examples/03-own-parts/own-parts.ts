import { Pool } from 'pg'
import {
  type DropOperation,
  type Evidence,
  type EvidenceRequest,
  formatTableName,
  LockAcquisitionError,
  type LockLease,
  LockLostError,
  type LockManager,
  MonthPeriodCalculator,
  type OperationResult,
  PartitionLifecycleService,
  type PartitionMetadataProvider,
  type PartitionTree,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
  type ReadOptions,
  type RunContext,
  type TableName,
} from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_own_parts CASCADE;
  CREATE SCHEMA example_own_parts;
  CREATE TABLE example_own_parts.drop_audit (at timestamptz NOT NULL DEFAULT now(), operation text, reason text);
  CREATE TABLE example_own_parts.events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  CREATE TABLE example_own_parts.events__2020_01 PARTITION OF example_own_parts.events
    FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2020-02-01 00:00:00+00');`)

/** Does more at a drop: the row is written before it, so that no drop is without one. */
class AuditedRepository extends PostgresPartitionRepository {
  override async dropPartition(operation: DropOperation, run: RunContext): Promise<OperationResult> {
    await pool.query('INSERT INTO example_own_parts.drop_audit (operation, reason) VALUES ($1, $2)', [
      operation.id,
      operation.reason.text,
    ])
    return super.dropPartition(operation, run)
  }
}

/** Reads as another provider does, and says what it read. */
class TalkingMetadataProvider implements PartitionMetadataProvider {
  readonly #inner: PartitionMetadataProvider
  readonly markerPrefix: string

  constructor(inner: PartitionMetadataProvider) {
    this.#inner = inner
    this.markerPrefix = inner.markerPrefix
  }

  async readTree(table: TableName, options?: ReadOptions): Promise<PartitionTree> {
    const tree = await this.#inner.readTree(table, options)
    console.log(`read ${formatTableName(table)}: ${tree.partitions.length} attached`)
    return tree
  }

  async collectEvidence(request: EvidenceRequest, options?: ReadOptions): Promise<Evidence> {
    return this.#inner.collectEvidence(request, options)
  }
}

/** Excludes runs of this process from each other, and nobody else. */
class ProcessLockManager implements LockManager {
  readonly #held = new Set<string>()

  async acquireLock(table: TableName): Promise<LockLease> {
    const key = formatTableName(table)
    if (this.#held.has(key)) throw new LockAcquisitionError(`${key}: a run of this process is at work.`)
    this.#held.add(key)
    const release = async (): Promise<void> => {
      this.#held.delete(key)
    }
    return {
      key,
      signal: new AbortController().signal,
      assertHeld: async () => {
        if (!this.#held.has(key)) throw new LockLostError(`${key}: the lock was released.`)
      },
      release,
      [Symbol.asyncDispose]: release,
    }
  }

  async isLocked(table: TableName): Promise<boolean> {
    return this.#held.has(formatTableName(table))
  }
}

const service = new PartitionLifecycleService({
  repo: new AuditedRepository(pool),
  metadata: new TalkingMetadataProvider(new PostgresMetadataProvider(pool)),
  locks: new ProcessLockManager(),
  periodCalculator: new MonthPeriodCalculator(),
})
const config = {
  schema: 'example_own_parts',
  tableName: 'events',
  partitionColumn: 'created_at',
  createAheadCount: 2,
  retentionCount: 12,
}

const [first, second] = await Promise.allSettled([service.maintain(config), service.maintain(config)])
if (first.status === 'fulfilled') {
  console.log(`created ${first.value.createdCount}, dropped ${first.value.droppedCount}`)
}
if (second.status === 'rejected') console.log(`the second run: ${second.reason.code}`)
const { rows } = await pool.query('SELECT operation, reason FROM example_own_parts.drop_audit')
console.log('audit:', rows)
await pool.end()
