import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'pg'
import {
  BasePartitionLifecycleHooks,
  createPartsmith,
  formatTableName,
  type PartitionEvent,
} from 'pg-partsmith'

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_hooks CASCADE;
  CREATE SCHEMA example_hooks;
  CREATE TABLE example_hooks.events (id bigint, created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at);
  CREATE TABLE example_hooks.events__2025_01 PARTITION OF example_hooks.events
    FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00');
  INSERT INTO example_hooks.events SELECT n, '2025-01-15 00:00:00+00' FROM generate_series(1, 3) n;`)

/** Writes the rows to a file before the table is dropped. Where that fails, the table stays. */
class ExportBeforeDrop extends BasePartitionLifecycleHooks {
  readonly #folder: string

  constructor(folder: string) {
    super()
    this.#folder = folder
  }

  override async beforeDrop(event: PartitionEvent): Promise<void> {
    const table = formatTableName({ schema: event.partition.schema, name: event.partitionName })
    const { rows } = await event.query(`SELECT to_json(t)::text AS line FROM ${table} t ORDER BY id`)
    const file = join(this.#folder, `${event.partitionName}.jsonl`)
    await writeFile(file, rows.map(({ line }) => `${String(line)}\n`).join(''), { signal: event.signal })
    console.log(`exported ${rows.length} rows of ${table}`)
  }
}

/** Says what happens. Several hooks are called in the order in which they are given. */
class Announce extends BasePartitionLifecycleHooks {
  override async afterCreate({ partitionName, fromValue, toValue }: PartitionEvent): Promise<void> {
    console.log(`created ${partitionName}: ${fromValue} to ${toValue}`)
  }

  override async beforeDrop({ partitionName, oid }: PartitionEvent): Promise<void> {
    if (oid === undefined) throw new Error('a table without an OID')
    console.log(`about to drop ${partitionName}`)
  }

  override async afterDrop({ partitionName, reason }: PartitionEvent): Promise<void> {
    console.log(`dropped ${partitionName}: ${reason.text}`)
  }
}

const config = {
  schema: 'example_hooks',
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 12,
} as const
const at = { now: '2026-06-15T12:00:00Z' }

// The first run cannot write its file, so the drop is refused and the table stays.
const nowhere = createPartsmith({ pool, hooks: [new ExportBeforeDrop('/does/not/exist'), new Announce()] })
const first = await nowhere.maintainer.runMaintenanceSafe(config, at)
console.log(`success: ${first.success}, dropped: ${first.droppedCount}`)
for (const { step, code, message } of first.issues) console.log(`${step}: ${code}: ${message}`)

// The next run tries again.
const folder = await mkdtemp(join(tmpdir(), 'export-'))
const partsmith = createPartsmith({ pool, hooks: [new ExportBeforeDrop(folder), new Announce()] })
const second = await partsmith.maintainer.runMaintenanceSafe(config, at)
console.log(`success: ${second.success}, dropped: ${second.droppedCount}`)
await pool.end()
