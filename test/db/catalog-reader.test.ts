import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'

import { startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import type { PartitionTree, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPg, PostgresMetadataProvider } from '../../src/index.ts'
import { calmPool } from '../support/calm-pool.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer, majors } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'
import { makeStandby } from '../support/standby.ts'

const now = '2026-03-15T12:00:00Z'
const wanted: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
}
const events = { schema: 'public', name: 'events' }
const eventsTable = `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);`
const partitionOf = (table: string, month: number): string => {
  const first = (offset: number): string => new Date(Date.UTC(2000, month + offset)).toISOString()
  return `CREATE TABLE ${table}_${month} PARTITION OF ${table} FOR VALUES FROM ('${first(0)}') TO ('${first(1)}');`
}
const partitionsOf = (table: string, count: number): string =>
  Array.from({ length: count }, (_, month) => partitionOf(table, month)).join('')

const shape = ({ partitions, detached }: PartitionTree): string =>
  [...partitions, ...detached].map(({ name, comment }) => `${name.name} ${comment ?? ''}`).join(', ')

describeEachServer('reading a tree', (major) => {
  let database: TestDatabase
  beforeEach(async () => {
    database = await createDatabase(major)
  })
  afterEach(() => database.drop())

  const statementsFor = async (tables: readonly string[]): Promise<number> => {
    let sent = 0
    const client = observedClient(fromPg(database.pool), { beforeSending: () => void (sent += 1) })
    const seen: unknown[] = []
    await new PostgresMetadataProvider(client).readTrees(
      tables.map((name) => ({ schema: 'public', name })),
      (reading, index) => void (seen[index] = 'tree' in reading && reading.tree.parent.name.name),
    )
    expect(seen).toEqual(tables)
    return sent
  }

  it('takes the same number of statements whatever its size, and for any number of tables', async () => {
    await database.sql(`${eventsTable} ${partitionsOf('events', 2)}`)
    const few = await statementsFor(['events'])
    const others = Array.from({ length: 5 }, (_, index) => `other_${index}`)
    await database.sql(
      others.map((name) => `${eventsTable.replace('events', name)} ${partitionsOf(name, 20)}`).join(''),
    )
    await database.sql(Array.from({ length: 200 }, (_, month) => partitionOf('events', month + 2)).join(''))
    await database.sql(`COMMENT ON TABLE events_1 IS 'pg-partsmith:orphan-parent=public.events'`)
    // The comment of a partition is asked for, where there is one.
    expect(await statementsFor(['events'])).toBe(few + 1)
    expect(await statementsFor(['events', ...others])).toBe(few + 1)
    expect(few).toBeLessThan(9)
  })

  it('asks for a fleet in eight pieces at most, and gives each of its tables the own partitions', async () => {
    const names = Array.from({ length: 430 }, (_, index) => `fleet_${index}`)
    for (const few of [names.slice(0, 215), names.slice(215)]) {
      await database.sql(few.map((name) => eventsTable.replace('events', name)).join(''))
    }
    await database.sql(`${partitionsOf('fleet_0', 1)} ${partitionsOf('fleet_54', 2)} ${partitionsOf('fleet_429', 3)}
      COMMENT ON TABLE fleet_54_1 IS 'pg-partsmith:orphan-parent=public.fleet_54'`)
    const one = await statementsFor(['fleet_0'])
    // One piece has a comment to be asked for.
    expect(await statementsFor(names)).toBe(one + 7 + 1)
    const seen: string[] = []
    await new PostgresMetadataProvider(database.pool).readTrees(
      [...names, 'nowhere'].map((name) => ({ schema: 'public', name })),
      (reading) => {
        if ('error' in reading) seen.push(String(reading.error))
        else if (reading.tree.partitions.length > 0) seen.push(shape(reading.tree))
      },
    )
    expect(seen).toEqual([
      'fleet_0_0 ',
      'fleet_54_0 , fleet_54_1 pg-partsmith:orphan-parent=public.fleet_54',
      'fleet_429_0 , fleet_429_1 , fleet_429_2 ',
      expect.stringContaining('There is no table public.nowhere in this database.'),
    ])
  })

  it('locks no table of the user, at no moment', async () => {
    await database.sql(
      `${eventsTable} ${partitionsOf('events', 3)} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    )
    const locks: unknown[] = []
    let looked = 0
    const client = observedClient(fromPg(database.pool), {
      beforeAnswer: async ({ pid }) => {
        looked += 1
        locks.push(
          ...(await database.sql(
            `SELECT l.relation::regclass::text, l.mode FROM pg_locks l WHERE l.pid = $1 AND l.relation >= 16384`,
            [pid],
          )),
        )
      },
    })
    await new PostgresMetadataProvider(client).readTree(events)
    expect(looked).toBeGreaterThan(6)
    expect(locks).toEqual([])
  })

  it('waits for nobody, also when every table of it is locked ACCESS EXCLUSIVE', async () => {
    await database.sql(
      `${eventsTable} ${partitionsOf('events', 3)} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    )
    const holder = await database.pool.connect()
    await holder.query('BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE')
    const pool = ownPool(database, { firstStatement: `SET lock_timeout = '1ms'` })
    const tree = await new PostgresMetadataProvider(pool).readTree(events)
    expect(tree.partitions).toHaveLength(4)
    holder.release(true)
  })

  it('and a plan that wants to know what is in a locked DEFAULT does without, and destroys nothing', async () => {
    await database.sql(`${eventsTable} CREATE TABLE rest PARTITION OF events DEFAULT;`)
    const holder = await database.pool.connect()
    await holder.query('BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE')
    const { plan } = createPartsmith({ pool: database.pool })
    const { operations } = await plan(wanted, { now })
    expect(operations).toMatchObject([{ kind: 'create', rowsInDefault: 0 }])
    holder.release(true)
  })

  it('sees one moment of the catalog, whatever is committed between its statements', async () => {
    await database.sql(`${eventsTable} ${partitionsOf('events', 2)}`)
    const provider = new PostgresMetadataProvider(database.pool)
    const turn = [
      // Attached to marked and detached, and a new one beside it, in one transaction; and back.
      `BEGIN; COMMENT ON TABLE events_1 IS 'pg-partsmith:orphan-parent=public.events';
       ALTER TABLE events DETACH PARTITION events_1; ${partitionOf('events', 2)} COMMIT;`,
      `BEGIN; DROP TABLE events_2; COMMENT ON TABLE events_1 IS NULL;
       ALTER TABLE events ATTACH PARTITION events_1 FOR VALUES FROM ('2000-02-01') TO ('2000-03-01'); COMMIT;`,
    ]
    await database.sql(`ALTER DATABASE ${database.name} SET TimeZone = 'UTC'`)
    const before = shape(await provider.readTree(events))
    let [there, back] = turn
    const seen = new Set<string>()
    let at = 0
    for (let more = true; more;) {
      at += 1
      let sent = 0
      const client = observedClient(fromPg(database.pool), {
        beforeSending: async () => {
          sent += 1
          if (sent === at) await database.sql(`SET TimeZone = 'UTC'; ${there}`)
        },
      })
      seen.add(shape(await new PostgresMetadataProvider(client).readTree(events)))
      more = sent >= at
      if (more) [there, back] = [back, there]
    }
    const after = 'events_0 , events_2 , events_1 pg-partsmith:orphan-parent=public.events'
    expect(before).toBe('events_0 , events_1 ')
    expect([...seen].sort()).toEqual([before, after].sort())
    expect(at).toBeGreaterThan(7)
  })

  it('needs no rights on the table, and changing it is refused with a sentence', async () => {
    await database.sql(`${eventsTable} ${partitionsOf('events', 2)}`)
    const role = await createRole(database)
    const partsmith = createPartsmith({ pool: ownPool(database, { connectionString: role.url }) })
    const { partitions } = await partsmith.inspect(wanted, { now })
    expect(partitions.map(({ name }) => name)).toEqual(['events_0', 'events_1', 'events__2026_03'])
    const before = await database.sql(`SELECT oid FROM pg_class`)
    for (const config of [wanted, { ...wanted, retentionCount: 1 }]) {
      const { result, error } = await partsmith.service.run(config, { now })
      expect(error).toMatchObject({ code: 'access-denied', sqlState: '42501' })
      expect(result.error).toMatch(
        /^public\.events: cannot create public\.events__2026_03: permission denied for .*\. The role needs to own public\.events, .*Nothing was changed\.$/,
      )
    }
    expect(await database.sql(`SELECT oid FROM pg_class`)).toEqual(before)
  })

  it('that the server cuts short is told in a sentence', async () => {
    await database.sql(`${eventsTable} CREATE TABLE rest PARTITION OF events DEFAULT;`)
    const holder = await database.pool.connect()
    await holder.query('BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE')
    const running = createPartsmith({ pool: database.pool }).maintainer.runMaintenanceSafe(wanted, { now })
    for (let cancelled = false; !cancelled;) {
      const [row] = await database.sql(
        `SELECT bool_or(pg_cancel_backend(pid)) AS cancelled FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = 'relation'`,
      )
      cancelled = row?.['cancelled'] === true
    }
    const result = await running
    expect(result).toMatchObject({ success: false, errorCode: 'statement-timeout', operations: [] })
    expect(result.error).toMatch(
      /^The database could not be read: .*\(SQLSTATE 57014\)\. Nothing was changed.*\.$/,
    )
    holder.release(true)
  })

  it('finds every foreign key that refers to a table, its DEFAULT or a marked table, once', async () => {
    await database.sql(
      `${eventsTable} ${partitionsOf('events', 2)} CREATE TABLE rest PARTITION OF events DEFAULT;
       CREATE TABLE one (id bigint, at timestamptz, CONSTRAINT one_fk FOREIGN KEY (id, at) REFERENCES events);
       CREATE TABLE two (id bigint, at timestamptz, CONSTRAINT two_fk FOREIGN KEY (id, at) REFERENCES rest);
       CREATE TABLE gone (LIKE events INCLUDING ALL);
       COMMENT ON TABLE gone IS 'pg-partsmith:orphan-parent=public.events';
       CREATE TABLE three (id bigint, at timestamptz, CONSTRAINT three_fk FOREIGN KEY (id, at) REFERENCES gone);
       ${major >= 18 ? 'CREATE TABLE four (id bigint, at timestamptz, CONSTRAINT four_fk FOREIGN KEY (id, at) REFERENCES events NOT ENFORCED);' : ''}
       CREATE VIEW looks AS SELECT id, at FROM events;`,
    )
    const { parent, detached } = await new PostgresMetadataProvider(database.pool).readTree(events)
    expect(names(parent.referencedBy)).toEqual([...(major >= 18 ? ['four_fk'] : []), 'one_fk', 'two_fk'])
    expect(detached.map(({ referencedBy }) => names(referencedBy))).toEqual([['three_fk']])
  })

  it('names the columns of keys, also where others were dropped, and the expressions of keys', async () => {
    await database.sql(
      `CREATE TABLE events (a int, dropped int, "B b" timestamptz NOT NULL, c int NOT NULL) PARTITION BY RANGE ("B b");
       ALTER TABLE events DROP COLUMN dropped;
       CREATE UNIQUE INDEX pair ON events (c, "B b") INCLUDE (a);
       CREATE TABLE cut (at timestamptz, n int) PARTITION BY RANGE (n, (lower('x' || n)));`,
    )
    const provider = new PostgresMetadataProvider(database.pool)
    const { parent } = await provider.readTree(events)
    expect(parent).toMatchObject({
      columns: ['a', 'B b', 'c'],
      key: [{ name: 'B b', expression: undefined, type: 'timestamp with time zone' }],
      uniqueKeys: [{ name: 'pair', columns: ['c', 'B b'] }],
    })
    const cut = await provider.readTree({ schema: 'public', name: 'cut' })
    expect(cut.parent.key).toEqual([
      { name: 'n', expression: undefined, type: 'integer' },
      { name: undefined, expression: expect.stringContaining('lower('), type: '' },
    ])
  })

  it('of what is not there, or is no partitioned table, says so', async () => {
    await database.sql(`CREATE TABLE plain (at timestamptz); CREATE VIEW looks AS SELECT * FROM plain;`)
    const provider = new PostgresMetadataProvider(database.pool)
    const read = (schema: string, name: string): Promise<PartitionTree> => provider.readTree({ schema, name })
    await expect(read('public', 'Plain')).rejects.toMatchObject({ code: 'partition-not-found' })
    await expect(read('nowhere', 'plain')).rejects.toThrow(
      'There is no table nowhere.plain in this database.',
    )
    for (const name of ['plain', 'looks']) {
      await expect(read('public', name)).rejects.toMatchObject({ code: 'invalid-config' })
      await expect(read('public', name)).rejects.toThrow(`public.${name} is not a partitioned table.`)
    }
  })
})

describe('a standby', () => {
  const ends = [...new Set([Math.min(...majors), Math.max(...majors)])]

  it.each(ends)('of PostgreSQL %i is read, and maintaining it is refused', async (wantedMajor) => {
    const major = majors.find((candidate) => candidate === wantedMajor)
    await using server = await startEmbeddedServer(major === undefined ? {} : { major })
    const primary = calmPool({ connectionString: server.url })
    await primary.query(`${eventsTable} ${partitionsOf('events', 2)} CREATE TABLE loose (LIKE events);`)
    // Commits are not waited for on this server, and what is not written yet does not survive.
    await primary.query('CHECKPOINT')
    await primary.end()
    await makeStandby(server)

    const pool = calmPool({ connectionString: server.url })
    onTestFinished(() => pool.end())
    const partsmith = createPartsmith({ pool })
    const config = { ...wanted, retentionCount: 1 }
    expect((await partsmith.inspect(config, { now })).partitions).toHaveLength(3)
    const plan = await partsmith.plan(config, { now })
    expect(plan.operations.map(({ kind }) => kind)).toEqual(['create', 'detach', 'detach', 'drop', 'drop'])
    const refused = {
      code: 'server-unsupported',
      message:
        'The server is a standby that only reads (pg_is_in_recovery). Nothing was changed; connect to the primary.',
    }
    await expect(partsmith.maintain(config, { now })).rejects.toMatchObject(refused)
    await expect(partsmith.apply(config, plan, { now })).rejects.toMatchObject(refused)
    await expect(partsmith.service.ensurePartition(config, now)).rejects.toMatchObject(refused)
    await expect(partsmith.adoptPartition({ ...config, dropAfter: '7 days' }, 'loose')).rejects.toMatchObject(
      refused,
    )
    expect(await partsmith.locks.isLocked(events)).toBe(false)
  })
})

function names(keys: readonly { readonly name: string }[]): readonly string[] {
  return keys.map(({ name }) => name)
}
