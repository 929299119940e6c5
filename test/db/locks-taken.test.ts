import { expect, it } from 'vitest'

import { TablePartitionConfig } from '../../src/index.ts'
import { lockModeFrom, lockModes } from '../../src/plan/lock-conflicts.ts'
import type { TableLockMode } from '../../src/plan/lock-conflicts.ts'
import { CrashSite } from '../support/crash-world.ts'
import { crashScenarios } from '../support/crash-scenarios.ts'
import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { interruptibleRun, serviceOn } from '../support/interruptible-run.ts'
import { observedClient } from '../support/observed-client.ts'

const monthly = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const now = '2026-03-15T12:00:00Z'
const march = `CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');`
const january = `CREATE TABLE events__2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');`
const neighbours = `
  CREATE TABLE device (id bigint PRIMARY KEY);
  CREATE TABLE events (id bigint, at timestamptz NOT NULL, device bigint REFERENCES device, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
  CREATE TABLE note (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events);`
const retire = { ...monthly, createAheadCount: 1, retentionCount: 1, dropAfter: '7 days' } as const

const alone = `CREATE TABLE events (id bigint, at timestamptz NOT NULL, device bigint, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);`

/** Detached at the beginning of March, so that its days of grace are over. */
async function retired({ schema, client }: World): Promise<void> {
  const before = { config: retire, now: '2026-03-02T12:00:00Z' }
  await interruptibleRun(before, { schema, client, interrupted: client })
}

/** No plan detaches concurrently beside foreign keys, but somebody may have. */
async function leftPending({ schema, client, sql }: World): Promise<void> {
  const reader = await client.connect()
  await reader.query('BEGIN')
  await reader.query(`SELECT count(*) FROM "${schema}".events`)
  const detaching = await client.connect()
  const { rows } = await detaching.query('SELECT pg_backend_pid()::text AS pid')
  const statement = `ALTER TABLE "${schema}".events DETACH PARTITION "${schema}".events__2026_01 CONCURRENTLY`
  const cancelled = detaching.query(statement).catch(() => 'cancelled')
  const pending = `SELECT EXISTS (SELECT FROM pg_inherits WHERE inhdetachpending AND inhparent = 'events'::regclass) AS yes`
  while ((await sql(pending))[0]?.['yes'] !== true);
  await client.cancel(Number(rows[0]?.['pid']))
  expect(await cancelled).toBe('cancelled')
  await detaching.release(true)
  await reader.release(true)
}

/** Beside those that are interrupted elsewhere, those with tables at the other ends of foreign keys. */
const scenarios: readonly CrashScenario[] = [
  ...crashScenarios.filter(({ operations }) => operations.length === 1),
  {
    name: 'create beside foreign keys both ways',
    given: `${neighbours} ${march}`,
    config: { ...monthly, createAheadCount: 2 },
    now,
    operations: ['create events__2026_04'],
    rows: { parent: [] },
  },
  {
    name: 'create beside foreign keys both ways and a DEFAULT',
    given: `${neighbours} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    config: { ...monthly, createAheadCount: 2 },
    now,
    operations: ['create events__2026_04'],
    rows: { parent: [] },
  },
  {
    name: 'detach beside foreign keys both ways',
    given: `${neighbours} ${march} ${january}`,
    config: retire,
    now,
    operations: ['detach events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'excluded from DEFAULT before',
    given: `${neighbours} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;
      INSERT INTO events SELECT g, '2020-01-01' FROM generate_series(1, 60000) g;`,
    config: { ...monthly, createAheadCount: 2 },
    lockTimeoutMs: 2,
    now,
    operations: ['create events__2026_04'],
    rows: { parent: [] },
  },
  {
    name: 'detach beside foreign keys both ways and a DEFAULT',
    given: `${neighbours} ${march} ${january} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    config: retire,
    now,
    operations: ['detach events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'finalize beside foreign keys both ways',
    given: `${neighbours} ${march} ${january}`,
    prepare: leftPending,
    config: retire,
    now,
    operations: ['finalize events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'drop without foreign keys',
    given: `${alone} ${march} ${january}`,
    prepare: retired,
    config: retire,
    now,
    operations: ['drop events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'drop beside foreign keys both ways and a DEFAULT',
    given: `${neighbours} ${march} ${january} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    prepare: retired,
    config: retire,
    now,
    operations: ['drop events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'attach again',
    given: `${alone} ${march} ${january}`,
    prepare: retired,
    config: { ...retire, retentionCount: 3 },
    now,
    operations: ['attach events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'attach again beside foreign keys both ways',
    given: `${neighbours} ${march} ${january}`,
    prepare: retired,
    config: { ...retire, retentionCount: 3 },
    now,
    operations: ['attach events__2026_01'],
    rows: { parent: [] },
  },
  {
    name: 'attach again beside foreign keys both ways and a DEFAULT',
    given: `${neighbours} ${march} ${january} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    prepare: retired,
    config: { ...retire, retentionCount: 3 },
    now,
    operations: ['attach events__2026_01'],
    rows: { parent: [] },
  },
]

/** Two levels, so that what is announced is not the first one alone. */
const belowOf = (table: string): string => `
  CREATE TABLE ${table}0 PARTITION OF ${table} FOR VALUES WITH (MODULUS 2, REMAINDER 0);
  CREATE TABLE ${table}1 PARTITION OF ${table} FOR VALUES WITH (MODULUS 2, REMAINDER 1) PARTITION BY HASH (id);
  CREATE TABLE ${table}1_0 PARTITION OF ${table}1 FOR VALUES WITH (MODULUS 1, REMAINDER 0);`
const byHash = (one: string): string => `${one.replace(/;$/, '')} PARTITION BY HASH (id);`
const tenants = `CREATE TABLE tenants (id bigint PRIMARY KEY) PARTITION BY HASH (id); ${belowOf('tenants')}`
const notes = `CREATE TABLE notes (id bigint, about bigint, about_at timestamptz, FOREIGN KEY (about, about_at) REFERENCES events)
  PARTITION BY HASH (id); ${belowOf('notes')}`
const rest = `CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY HASH (id); ${belowOf('rest')}`
const events = (key = ''): string =>
  `CREATE TABLE events (id bigint, at timestamptz NOT NULL, tenant bigint, cause bigint, caused_at timestamptz,
    PRIMARY KEY (id, at)${key}) PARTITION BY RANGE (at);`
const toTenants = ', FOREIGN KEY (tenant) REFERENCES tenants'
const toEvents = ', FOREIGN KEY (cause, caused_at) REFERENCES events'
const marchOfTwo = `${byHash(march)} CREATE TABLE march0 PARTITION OF events__2026_03 FOR VALUES WITH (MODULUS 1, REMAINDER 0);`
const januaryOfTwo = `${byHash(january)} CREATE TABLE january0 PARTITION OF events__2026_01 FOR VALUES WITH (MODULUS 1, REMAINDER 0);`

/** The parent with its neighbours, and what else is there beside the partition that an operation is about. */
const surroundings: readonly (readonly [name: string, before: string, after?: string])[] = [
  ['a partitioned table that it refers to', `${tenants} ${events(toTenants)} ${march}`],
  ['a partitioned table that refers to it', `${events()} ${march}`, notes],
  [
    'partitioned tables both ways and a partitioned DEFAULT',
    `${tenants} ${events(toTenants)} ${march}`,
    `${notes} ${rest}`,
  ],
  ['a partitioned DEFAULT', `${events()} ${march}`, rest],
  ['siblings that it refers to', `${events(toEvents)} ${marchOfTwo}`],
  ['siblings that it refers to and a partitioned DEFAULT', `${events(toEvents)} ${march}`, rest],
]

const besidePartitions: readonly CrashScenario[] = surroundings.flatMap(([name, before, after = '']) => {
  const given = `${before} ${january} ${after}`
  const operation = (kind: string, about: Partial<CrashScenario> = {}): CrashScenario => ({
    name: `${kind} beside ${name}`,
    given,
    config: retire,
    now,
    operations: [`${kind} events__2026_01`],
    rows: { parent: [] },
    ...about,
  })
  return [
    operation('create', {
      given: `${before} ${after}`,
      config: { ...monthly, createAheadCount: 2 },
      operations: ['create events__2026_04'],
    }),
    operation('detach'),
    operation('drop', { prepare: retired }),
    operation('attach', { prepare: retired, config: { ...retire, retentionCount: 3 } }),
    // The server begins no concurrent detach beside a DEFAULT.
    ...(after.includes('DEFAULT')
      ? []
      : [
          operation('finalize', {
            prepare: leftPending,
            given: `${before} ${januaryOfTwo} ${after}`,
          }),
        ]),
  ]
})

describeEachServer('the locks that a plan announces', (major) => {
  it.concurrent.each([...scenarios, ...besidePartitions])(
    'are those that the server gives: $name',
    async (scenario) => {
      await using database = await createDatabase(major)
      await new CrashSite(database).visit(scenario, async (world) => {
        const announced = await announcedLocks(world, scenario)
        const taken = await locksTaken(database, world, scenario)
        // A command outside of a transaction has let go of its locks when it answers: what is seen is announced at least.
        const isWhole = !Object.values(announced).some(({ isTransient }) => isTransient)
        const unannounced = Object.entries(taken).filter(
          ([table, mode]) => strength(mode) > strength(announced[table]?.mode),
        )
        expect(unannounced, 'taken and not announced').toEqual([])
        const idle = Object.entries(announced).filter(([table, { mode }]) => isWhole && taken[table] !== mode)
        expect(idle, 'announced and not taken').toEqual([])
      })
    },
  )
})

type Announced = Record<string, { readonly mode: TableLockMode; readonly isTransient: boolean }>

async function announcedLocks(
  world: World,
  { config, now: at, lockTimeoutMs }: CrashScenario,
): Promise<Announced> {
  const wanted = new TablePartitionConfig({ ...config, schema: world.schema })
  const plan = await serviceOn({
    client: world.client,
    interrupted: world.client,
    ...(lockTimeoutMs !== undefined && { lockTimeoutMs }),
  }).plan(wanted, { now: at })
  const [operation, ...others] = plan.operations
  expect(others).toEqual([])
  const isTransient = operation?.kind === 'detach' && operation.mode === 'concurrent'
  return Object.fromEntries(
    (operation?.locks ?? []).map(({ relation, mode }) => [relation.name, { mode, isTransient }]),
  )
}

/** The strongest lock on each table of the world that a transaction of the run has held. */
async function locksTaken(
  database: TestDatabase,
  world: World,
  scenario: CrashScenario,
): Promise<Record<string, TableLockMode>> {
  const taken: Record<string, TableLockMode> = {}
  const observed = observedClient(world.client, {
    beforeAnswer: async ({ pid, text }) => {
      if (/^(BEGIN|COMMIT|ROLLBACK)/.test(text)) return
      const rows = await database.sql(
        // What only the transaction itself can see yet is the partition that it makes.
        `SELECT coalesce(c.relname, $3) AS name, l.mode FROM pg_locks l
         LEFT JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE l.pid = $1 AND l.granted AND l.relation IS NOT NULL
           AND (c.oid IS NULL OR n.nspname = $2 AND c.relkind IN ('r', 'p', 'f'))
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
        [pid, world.schema, scenario.operations[0]?.split(' ')[1]],
      )
      for (const row of rows) {
        const mode = lockModeFrom(String(row['mode']))
        if (mode === undefined) throw new Error(`a lock mode that is not known: ${String(row['mode'])}`)
        const name = String(row['name'])
        const known = taken[name]
        if (known === undefined || strength(mode) > strength(known)) taken[name] = mode
      }
    },
  })
  const result = await interruptibleRun(scenario, { ...world, interrupted: observed })
  expect(result?.operations.map(({ status, message }) => message ?? status)).toEqual(['done'])
  return taken
}

/** -1 for no lock at all. */
function strength(mode: TableLockMode | undefined): number {
  return mode === undefined ? -1 : lockModes.indexOf(mode)
}
