import { Pool } from 'pg'
import {
  MonthPeriodCalculator,
  PartitionGranularity,
  PartitionLifecycleService,
  PartitionMaintainer,
  PartitionStrategy,
  PartitionType,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
  TablePartitionConfig,
} from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })

// A partitioned table with one partition, which is 13 months old.
await pool.query(`
  DROP SCHEMA IF EXISTS example_quickstart CASCADE;
  CREATE SCHEMA example_quickstart;
  CREATE TABLE example_quickstart.events (
    id bigint GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}'
  ) PARTITION BY RANGE (created_at);
  SET TimeZone = 'UTC';
  DO $$
  DECLARE month timestamptz := date_trunc('month', now()) - interval '13 months';
  BEGIN
    EXECUTE format('CREATE TABLE example_quickstart.%I PARTITION OF example_quickstart.events FOR VALUES FROM (%L) TO (%L)',
                   to_char(month, '"events__"YYYY_MM'), month, month + interval '1 month');
  END $$;`)

const config = new TablePartitionConfig({
  schema: 'example_quickstart',
  tableName: 'events',
  partitionType: PartitionType.RANGE,
  partitionStrategy: PartitionStrategy.TIME_BASED,
  partitionColumn: 'created_at',
  granularity: PartitionGranularity.MONTH,
  createAheadCount: 3, // the current month and the next two
  retentionCount: 12, // the current month and the eleven before it
})

const service = new PartitionLifecycleService({
  repo: new PostgresPartitionRepository(pool),
  metadata: new PostgresMetadataProvider(pool),
  locks: new PostgresAdvisoryLockManager(pool),
  periodCalculator: new MonthPeriodCalculator(),
})
const maintainer = new PartitionMaintainer(service)

for (const run of ['first run ', 'second run']) {
  const result = await maintainer.runMaintenanceSafe(config)
  if (result.success) {
    const { createdCount, detachedCount, droppedCount } = result
    console.log(`${run}: created=${createdCount} detached=${detachedCount} dropped=${droppedCount}`)
  } else {
    console.log(`${run}: error=${result.error ?? result.issues.map(({ message }) => message).join(' ')}`)
    process.exitCode = 1
  }
}
await pool.end()
