/** What is interrupted in the crash tests: one situation for each kind of operation, in a schema of its own. */

import type { DatabaseClient, TablePartitionOptions } from '../../src/index.ts'
import { PostgresMetadataProvider, PostgresPartitionRepository } from '../../src/index.ts'
import { encodeMarker } from '../../src/model/marker.ts'
import { interruptibleRun } from './interruptible-run.ts'
import type { ScenarioRun } from './interruptible-run.ts'
import { observedClient } from './observed-client.ts'

export interface World {
  readonly schema: string
  /** A client that nothing happens to. */
  readonly client: DatabaseClient
  /** Runs a statement, or without values a script, with the schema as its `search_path`. */
  readonly sql: (text: string, values?: readonly unknown[]) => Promise<readonly Record<string, unknown>[]>
}

export interface CrashScenario extends ScenarioRun {
  readonly name: string
  readonly given: string
  /** What a script alone cannot bring about. */
  prepare?(world: World): Promise<void>
  /** The plan of the run that is interrupted, without the schema; empty for an adoption. */
  readonly operations: readonly string[]
  /** The ids of the rows that the parent shows in the end, and those in tables that are not attached. */
  readonly rows: {
    readonly parent: readonly number[]
    readonly beside?: Readonly<Record<string, readonly number[]>>
  }
  /** A query that answers with one row, `{ fine: true }`, when all else is as it was. */
  readonly also?: string
}

const now = '2026-03-15T12:00:00Z'
const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const retired: Omit<TablePartitionOptions, 'schema'> = {
  ...monthly,
  createAheadCount: 1,
  retentionCount: 1,
  dropAfter: '7 days',
}

const events = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, twice bigint GENERATED ALWAYS AS (id * 2) STORED,
  PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
INSERT INTO events VALUES (1, '2026-03-10 00:00:00+00');`
const january = `
CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
COMMENT ON TABLE events__2026_01 IS 'my own words';
INSERT INTO events VALUES (5, '2026-01-10 00:00:00+00'), (6, '2026-01-11 00:00:00+00');`
/** The trigger tells if rows that are moved count as deleted. */
const rest = `
CREATE TABLE rest PARTITION OF events DEFAULT;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a row of DEFAULT was deleted'; END $$;
CREATE TRIGGER no_delete BEFORE DELETE ON rest FOR EACH ROW EXECUTE FUNCTION refuse();`
const triggerIsOn = `SELECT bool_and(tgenabled = 'O') AS fine FROM pg_trigger WHERE tgname = 'no_delete' AND tgrelid = 'rest'::regclass`
const nothingIsExcluded = `SELECT NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'rest'::regclass AND conname = 'pg_partsmith_excluded') AS fine`
const ownWordsAreKept = `
SELECT obj_description('events__2026_01'::regclass, 'pg_class') LIKE '%:orphan-parent=%my own words' AS fine`

export const crashScenarios: readonly CrashScenario[] = [
  {
    name: 'create',
    given: events,
    config: { ...monthly, createAheadCount: 2 },
    now,
    operations: ['create events__2026_04'],
    rows: { parent: [1] },
  },
  {
    name: 'create beside a DEFAULT without rows of the range',
    given: events + rest,
    config: { ...monthly, createAheadCount: 2 },
    now,
    operations: ['create events__2026_04'],
    rows: { parent: [1] },
  },
  {
    name: 'create with rows of the range in DEFAULT',
    given: `${events}${rest} INSERT INTO events SELECT g, '2026-04-10'::timestamptz FROM generate_series(2, 4) g;
            INSERT INTO events VALUES (9, '2027-01-01');`,
    config: { ...monthly, createAheadCount: 2 },
    now,
    operations: ['create events__2026_04'],
    rows: { parent: [1, 2, 3, 4, 9] },
    also: `SELECT (${triggerIsOn}) AND (SELECT count(*) = 3 FROM events__2026_04) AS fine`,
  },
  {
    name: 'remove a half-built table and create',
    given: events + rest,
    prepare: async ({ schema, client }) => {
      const dying = observedClient(client, {
        beforeSending: ({ text }) => {
          if (/^LOCK TABLE .* ACCESS EXCLUSIVE/.test(text))
            throw new Error('it ended between building and attaching')
        },
      })
      await interruptibleRun(
        { config: { ...monthly, createAheadCount: 2 }, now },
        { schema, client, interrupted: dying },
      )
    },
    config: { ...monthly, createAheadCount: 2 },
    now,
    operations: ['drop events__2026_04', 'create events__2026_04'],
    rows: { parent: [1] },
  },
  {
    name: 'create with the range excluded from DEFAULT before',
    // A page for each row, because all of them are looked at in the end.
    given: `${events} ALTER TABLE events ADD note text; ALTER TABLE events ALTER note SET STORAGE PLAIN; ${rest}
      INSERT INTO events (id, at, note) SELECT g, '2020-01-01', repeat('x', 7000) FROM generate_series(2, 501) g;`,
    config: { ...monthly, createAheadCount: 2 },
    lockTimeoutMs: 3,
    now,
    operations: ['create events__2026_04'],
    rows: { parent: Array.from({ length: 501 }, (_, index) => index + 1) },
    also: nothingIsExcluded,
  },
  {
    name: 'take a CHECK off DEFAULT that a killed run has left there',
    given: `${events}${rest} ALTER TABLE rest ADD CONSTRAINT pg_partsmith_excluded
      CHECK (NOT (at >= '2026-04-01 00:00:00+00' AND at < '2026-05-01 00:00:00+00')) NOT VALID;`,
    config: { ...monthly, createAheadCount: 1 },
    now,
    operations: ['readmit rest'],
    rows: { parent: [1] },
    also: nothingIsExcluded,
  },
  {
    name: 'detach, blocking',
    given: events + january + rest,
    config: retired,
    now,
    operations: ['detach events__2026_01'],
    rows: { parent: [1], beside: { events__2026_01: [5, 6] } },
    also: ownWordsAreKept,
  },
  {
    name: 'detach, concurrently',
    given: events + january,
    config: retired,
    now,
    operations: ['detach events__2026_01'],
    rows: { parent: [1], beside: { events__2026_01: [5, 6] } },
    also: ownWordsAreKept,
  },
  {
    name: 'finalize',
    given: events + january,
    prepare: (world) => leavePending(world, { config: retired, now }),
    config: retired,
    now,
    operations: ['finalize events__2026_01'],
    rows: { parent: [1], beside: { events__2026_01: [5, 6] } },
    also: ownWordsAreKept,
  },
  {
    name: 'drop with foreign keys',
    given: `CREATE TABLE device (id bigint PRIMARY KEY); CREATE TABLE site (id bigint PRIMARY KEY);
      INSERT INTO device VALUES (1), (5), (6); INSERT INTO site VALUES (1), (5), (6); ${events}
      ALTER TABLE events ADD CONSTRAINT of_device FOREIGN KEY (id) REFERENCES device,
                         ADD CONSTRAINT of_site FOREIGN KEY (id) REFERENCES site; ${january}`,
    prepare: async ({ schema, client }) => {
      await interruptibleRun(
        { config: retired, now: '2026-03-02T12:00:00Z' },
        { schema, client, interrupted: client },
      )
    },
    config: retired,
    now,
    operations: ['drop events__2026_01'],
    rows: { parent: [1] },
    also: `SELECT (SELECT count(*) = 3 FROM device) AND (SELECT count(*) = 3 FROM site) AS fine`,
  },
  {
    name: 'attach again, with rows of the range in DEFAULT',
    given: events + january + rest,
    prepare: async ({ schema, client, sql }) => {
      await interruptibleRun({ config: retired, now }, { schema, client, interrupted: client })
      await sql(`INSERT INTO events VALUES (7, '2026-01-12 00:00:00+00')`)
    },
    config: { ...retired, retentionCount: 3 },
    now,
    operations: ['attach events__2026_01'],
    rows: { parent: [1, 5, 6, 7] },
    also: `SELECT (${triggerIsOn}) AND obj_description('events__2026_01'::regclass, 'pg_class') = 'my own words' AS fine`,
  },
  {
    name: 'take a marker off an attached partition',
    given: events + january,
    prepare: markAttached,
    config: { ...retired, retentionCount: 3 },
    now,
    operations: ['unmark events__2026_01'],
    rows: { parent: [1, 5, 6] },
    also: `SELECT obj_description('events__2026_01'::regclass, 'pg_class') = 'my own words' AS fine`,
  },
  {
    name: 'adopt',
    given: `${events} CREATE TABLE legacy (LIKE events); INSERT INTO legacy VALUES (8, '2020-01-01');
            COMMENT ON TABLE legacy IS 'my own words';`,
    adopt: 'legacy',
    config: { ...retired, dropAfter: '7 days' },
    now,
    operations: [],
    rows: { parent: [1], beside: { legacy: [8] } },
    also: `SELECT obj_description('legacy'::regclass, 'pg_class') LIKE '%:orphan-parent=%my own words' AS fine`,
  },
  {
    name: 'a whole day: create, detach, drop',
    given: events + january,
    config: { ...monthly, createAheadCount: 3, retentionCount: 1 },
    now,
    operations: [
      'create events__2026_04',
      'create events__2026_05',
      'detach events__2026_01',
      'drop events__2026_01',
    ],
    rows: { parent: [1] },
  },
]

/** Begins a concurrent detach beside a reader, and has it stopped when it is pending. */
export async function leavePending({ schema, client, sql }: World, run: ScenarioRun): Promise<void> {
  const reader = await client.connect()
  await reader.query('BEGIN')
  await reader.query(`SELECT count(*) FROM "${schema}".events`)
  const stop = new AbortController()
  const running = interruptibleRun(run, { schema, client, interrupted: client, signal: stop.signal })
  const pending = `SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending AND inhparent = 'events'::regclass) AS yes`
  while ((await sql(pending))[0]?.['yes'] !== true);
  stop.abort()
  await running
  await reader.release(true)
}

async function markAttached({ schema, client, sql }: World): Promise<void> {
  const parent = { schema, name: 'events' }
  const tree = await new PostgresMetadataProvider(client).readTree(parent)
  const partition = tree.partitions.find(({ name }) => name.name === 'events__2026_01')
  const marker = encodeMarker(
    {
      kind: 'orphan',
      detachedAt: now,
      facts: {
        oid: partition?.oid ?? '',
        database: tree.server.database,
        parentOid: tree.parent.oid,
        parent,
        bound: partition?.boundText,
      },
    },
    {
      prefix: new PostgresPartitionRepository(client).markerPrefix,
      userComment: partition?.comment ?? null,
    },
  )
  await sql(`COMMENT ON TABLE events__2026_01 IS '${marker.replaceAll("'", "''")}'`)
}
