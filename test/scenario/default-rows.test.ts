import { expect, it } from 'vitest'
import { createPartsmith } from '../../src/index.ts'
import { attachedTo, converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { mark } from '../support/marked-tables.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'
import {
  attachedMarch,
  attachedMonth,
  events,
  march,
  monthly,
  now,
  partition,
} from '../support/events-table.ts'

const april = { ...monthly, createAheadCount: 2 }
const rest = 'CREATE TABLE rest PARTITION OF events DEFAULT;'
const createApril = ['create public.events__2026_04']

async function idsIn(database: TestDatabase, table: string): Promise<readonly number[]> {
  const rows = await database.sql(`SELECT id::int AS id FROM ONLY ${table} ORDER BY id`)
  return rows.map(({ id }) => Number(id))
}

/** A hook that changes the world after it was planned for, and before it is looked at again under lock. */
function meanwhile(database: TestDatabase, sql: string): () => Promise<void> {
  return async () => {
    await database.sql(sql)
  }
}

describeEachServer('rows of a new range that lie in DEFAULT', (major) => {
  it('are moved, from the first microsecond of the range to the last, and no others', async () => {
    await using database = await createDatabase(major)
    const { plan, result } = await converges(database, {
      given: `${events} ${march} ${rest}
        INSERT INTO events VALUES (1, '2026-04-01 00:00:00+00'), (2, '2026-04-30 23:59:59.999999+00'),
          (3, '2026-05-01 00:00:00+00'), (4, '2026-02-28 23:59:59.999999+00'), (5, 'infinity'), (6, '-infinity');`,
      config: april,
      now,
      operations: createApril,
      findings: ['rows-astray-in-default'],
    })
    expect(await idsIn(database, 'events__2026_04')).toEqual([1, 2])
    expect(await idsIn(database, 'rest')).toEqual([3, 4, 5, 6])
    expect(result.operations[0]?.rowsMoved).toBe(2)
    expect(plan.operations[0]).toMatchObject({
      rowsInDefault: 2,
      hazards: ['access-exclusive-lock', 'cancels-standby-queries', 'full-scan', 'rewrites-rows'],
    })
    expect(plan.findings[0]?.message).toMatch(
      /^public\.rest holds 2 rows from before 2026-03-01 00:00:00\+00 or without a key/,
    )
  })

  it('are moved into several partitions', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${rest} INSERT INTO events SELECT g, '2026-03-01'::timestamptz + g * interval '1 day' FROM generate_series(1, 90) g;`,
      config: { ...monthly, createAheadCount: 4 },
      now,
      operations: ['03', '04', '05', '06'].map((number) => `create public.events__2026_${number}`),
    })
    expect(await idsIn(database, 'rest')).toEqual([])
  })

  it('without a key stay, and are reported: no run will ever reach them', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `CREATE TABLE events (id bigint, at timestamptz) PARTITION BY RANGE (at);
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        ${rest} INSERT INTO events VALUES (1, NULL), (2, '2026-04-05');`,
      config: april,
      now,
      operations: createApril,
      findings: ['rows-astray-in-default'],
      thenFindings: ['rows-astray-in-default'],
    })
    expect(await idsIn(database, 'rest')).toEqual([1])
    expect(plan.findings[0]?.message).toContain('holds 1 row from before')
  })

  it('and lie behind the current period are reported on every run, and put right by ensurePartition', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${rest} INSERT INTO events VALUES (1, '2025-07-05 00:00:00+00');`,
      config: monthly,
      now,
      operations: [],
      findings: ['rows-astray-in-default'],
    })
    const partsmith = createPartsmith({ pool: database.pool })
    const cured = await partsmith.service.ensurePartition(monthly, '2025-07-10T00:00:00Z', { now })
    expect(cured).toMatchObject({ success: true, findings: [], operations: [{ rowsMoved: 1 }] })
    await converges(database, { config: monthly, now, operations: [] })
    expect(await idsIn(database, 'events__2025_07')).toEqual([1])
  })

  it('and are put right by ensurePartition in part: what is left is counted, and what expires is said', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${rest}
      INSERT INTO events SELECT g, '2025-07-05 00:00:00+00' FROM generate_series(1, 3) g;
      INSERT INTO events SELECT g, '2025-08-05 00:00:00+00' FROM generate_series(4, 5) g;`)
    const { service } = createPartsmith({ pool: database.pool })
    const config = { ...monthly, retentionCount: 3 }
    const { operations, findings } = await service.ensurePartition(config, '2025-07-10T00:00:00Z', { now })
    expect(operations).toMatchObject([{ rowsMoved: 3 }])
    expect(findings.map(({ code }) => code)).toEqual(['rows-astray-in-default', 'reattached-expired'])
    expect(findings[0]?.message).toMatch(/holds 2 rows from before .* `maintain` moves none of them/)
    expect(findings[1]?.message).toMatch(/events__2025_07 has expired .* takes it out again/)
  })

  it('are too many: it is said how many, and nothing is planned for that period', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${events} ${march} ${rest}
        INSERT INTO events SELECT g, '2026-04-10 00:00:00+00' FROM generate_series(1, 101) g;
        INSERT INTO events SELECT g, '2026-05-10 00:00:00+00' FROM generate_series(1000, 1099) g;`,
      config: { ...monthly, createAheadCount: 3, maxRowsFromDefault: 100 },
      now,
      operations: ['create public.events__2026_05'],
      findings: ['rows-in-default'],
    })
    expect(plan.findings[0]?.message).toMatch(/^public\.rest holds 101 rows from .*, more than the 100 that/)
    await converges(database, { config: april, now, operations: createApril })
  })

  it('became too many after the plan: the step is refused and nothing has moved', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-10 00:00:00+00');`)
    const partsmith = createPartsmith({
      pool: database.pool,
      hooks: [
        { beforeCreate: meanwhile(database, `INSERT INTO events VALUES (2, '2026-04-11 00:00:00+00')`) },
      ],
    })
    const result = await partsmith.maintain({ ...april, maxRowsFromDefault: 1 }, { now })
    expect(result.operations[0]?.status).toBe('refused')
    expect(result.issues[0]).toMatchObject({ code: 'rows-in-default' })
    expect(result.issues[0]?.message).toMatch(/public\.rest holds more than 1 rows .*\.$/)
    expect(await idsIn(database, 'rest')).toEqual([1, 2])
    expect(await attachedTo(database, monthly)).toEqual([attachedMarch, 'rest DEFAULT'])
    // Nothing is left of it that the next run would have to put right.
    await converges(database, { config: april, now, operations: createApril })
  })

  it('are none of its business when DEFAULT may not be moved from at all', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-05-10 00:00:00+00');`,
      config: { ...monthly, createAheadCount: 3, maxRowsFromDefault: 0 },
      now,
      operations: createApril,
      findings: ['rows-in-default'],
    })
  })
})

describeEachServer('a DEFAULT', (major) => {
  it('with its columns in another order, dropped ones, and generated ones, has its rows moved by name', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE events (gone int, id bigint NOT NULL, at timestamptz NOT NULL, a text, b text,
          size int GENERATED ALWAYS AS (length(a)) STORED) PARTITION BY RANGE (at);
        ALTER TABLE events DROP COLUMN gone;
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        CREATE TABLE rest (b text, x int, size int GENERATED ALWAYS AS (length(a)) STORED, at timestamptz NOT NULL, a text, y int, id bigint NOT NULL);
        ALTER TABLE rest DROP COLUMN x, DROP COLUMN y;
        ALTER TABLE events ATTACH PARTITION rest DEFAULT;
        INSERT INTO events (id, at, a, b) VALUES (1, '2026-04-02 00:00:00+00', 'first', 'second'), (2, '2026-04-03 00:00:00+00', NULL, '');`,
      config: april,
      now,
      operations: createApril,
    })
    expect(await database.sql('SELECT id, a, b, size FROM events__2026_04 ORDER BY id')).toEqual([
      { id: '1', a: 'first', b: 'second', size: 5 },
      { id: '2', a: null, b: '', size: null },
    ])
  })

  it.each(major >= 18 ? ['VIRTUAL', 'STORED'] : ['STORED'])(
    'with %s generated columns has its rows moved',
    async (kind) => {
      await using database = await createDatabase(major)
      await converges(database, {
        given: `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, size bigint GENERATED ALWAYS AS (id * 2) ${kind}) PARTITION BY RANGE (at);
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        ${rest} INSERT INTO events (id, at) VALUES (21, '2026-04-02 00:00:00+00');`,
        config: april,
        now,
        operations: createApril,
      })
      expect(await database.sql('SELECT size FROM events__2026_04')).toEqual([{ size: '42' }])
    },
  )

  it('has its rows moved by name into a table that is attached again with its columns in another order', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1);
      CREATE TABLE events (a text, b text, id bigint NOT NULL REFERENCES users DEFERRABLE INITIALLY DEFERRED, at timestamptz NOT NULL) PARTITION BY RANGE (at);
      CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
      ${rest} INSERT INTO events VALUES ('a', 'b', 1, '2026-02-02 00:00:00+00');
      CREATE TABLE february (at timestamptz NOT NULL, b text, id bigint NOT NULL REFERENCES users DEFERRABLE INITIALLY DEFERRED, a text);`)
    await mark(database, {
      table: 'february',
      bound: `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`,
    })
    await converges(database, {
      config: { ...monthly, retentionCount: 2 },
      now,
      operations: ['attach public.february'],
    })
    expect(await database.sql('SELECT a, b, id::int FROM february')).toEqual([{ a: 'a', b: 'b', id: 1 }])
  })

  it('of a table with an identity keeps the numbers of its rows', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE events (id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL) PARTITION BY RANGE (at);
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        ${rest} INSERT INTO events (at) SELECT '2026-04-02 00:00:00+00' FROM generate_series(1, 5);`,
      config: april,
      now,
      operations: createApril,
    })
    await database.sql(`INSERT INTO events (at) VALUES ('2026-04-03')`)
    expect(await idsIn(database, 'events__2026_04')).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('with large rows, every type and a unique key has them moved as they are', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TYPE pair AS (a int, b text);
        CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, big text, data jsonb, bytes bytea, pairs pair[], n numeric, f float8, span tstzrange,
          PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        ${rest} INSERT INTO events SELECT g, '2026-04-02 00:00:00+00', repeat(md5(g::text), 2000), '{"a": [1, null]}', '\\x00ff', ARRAY[(1, 'x,y')::pair],
          1e-20, 'NaN', '(,"2026-01-01")' FROM generate_series(1, 20) g;`,
      config: april,
      now,
      operations: createApril,
    })
  })

  const log = `CREATE TABLE fired (what text);
    CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.fired VALUES (TG_NAME || ' ' || TG_OP); RETURN NULL; END $$;`

  it('has none of its triggers fired, and all of them as they were afterwards', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${log} ${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');
        CREATE TRIGGER inherited AFTER DELETE OR INSERT ON events FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE TRIGGER "Keeps Rows" BEFORE DELETE ON rest FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE TRIGGER always AFTER DELETE ON rest FOR EACH ROW EXECUTE FUNCTION fire(); ALTER TABLE rest ENABLE ALWAYS TRIGGER always;
        CREATE TRIGGER replica AFTER DELETE ON rest FOR EACH ROW EXECUTE FUNCTION fire(); ALTER TABLE rest ENABLE REPLICA TRIGGER replica;
        CREATE TRIGGER off AFTER DELETE ON rest FOR EACH ROW EXECUTE FUNCTION fire(); ALTER TABLE rest DISABLE TRIGGER off;
        CREATE TRIGGER whole AFTER DELETE ON rest FOR EACH STATEMENT EXECUTE FUNCTION fire();
        CREATE CONSTRAINT TRIGGER deferred AFTER DELETE ON rest DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fire();`,
      config: april,
      now,
      operations: createApril,
    })
    expect(await database.sql('SELECT what FROM fired')).toEqual([])
    await database.sql(`INSERT INTO rest VALUES (2, '2027-01-01'); DELETE FROM rest`)
    expect(await database.sql('SELECT count(*)::int AS n FROM fired')).not.toEqual([{ n: 0 }])
  })

  it('that is partitioned itself has its rows moved, and no trigger of its partitions fired or changed', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${log} ${events} ${march}
        CREATE TABLE rest PARTITION OF events DEFAULT PARTITION BY HASH (id);
        CREATE TABLE rest_0 PARTITION OF rest FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE rest_1 PARTITION OF rest FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO events SELECT g, '2026-04-02 00:00:00+00' FROM generate_series(1, 50) g;
        CREATE TRIGGER inherited AFTER DELETE ON events FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE TRIGGER own AFTER DELETE ON rest_0 FOR EACH ROW EXECUTE FUNCTION fire();
        CREATE TRIGGER keeping BEFORE DELETE ON rest_1 FOR EACH ROW EXECUTE FUNCTION fire();
        ALTER TABLE ONLY rest_1 DISABLE TRIGGER inherited;
        ALTER TABLE ONLY rest_0 ENABLE ALWAYS TRIGGER inherited;`,
      config: april,
      now,
      operations: createApril,
    })
    expect(await database.sql('SELECT what FROM fired')).toEqual([])
    expect(await database.sql('SELECT count(*)::int AS n FROM events__2026_04')).toEqual([{ n: 50 }])
  })

  it('that is a foreign table stops the creation beside it, with a finding', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} CREATE EXTENSION file_fdw; CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
        CREATE FOREIGN TABLE rest PARTITION OF events DEFAULT SERVER files OPTIONS (program 'true');`,
      config: { ...monthly, createAheadCount: 3 },
      now,
      operations: [],
      findings: ['default-not-movable', 'default-not-movable'],
    })
  })

  it('that somebody has locked is not waited for by a plan, which says that it knows nothing of its rows', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00'), (2, '2020-01-01 00:00:00+00')`,
    )
    const partsmith = createPartsmith({ pool: database.pool })
    const holder = await database.pool.connect()
    await holder.query(`SET application_name = 'the holder'; BEGIN; LOCK TABLE rest IN ACCESS EXCLUSIVE MODE`)
    const locked = await partsmith.plan(april, { now })
    const { defaultRows } = await partsmith.inspect(april, { now })
    await holder.query('ROLLBACK')
    holder.release()
    const free = await partsmith.plan(april, { now })
    expect(locked.findings.map(({ code }) => code)).toEqual(['default-unread'])
    const who =
      /a lock on it was not free in time: pid \d+ \(the holder, idle in transaction, .*\) holds ACCESS EXCLUSIVE on public\.rest\.$/
    expect(locked.findings[0]?.message).toMatch(
      /^The rows of public\.rest, the DEFAULT partition, could not be read/,
    )
    expect(locked.findings[0]?.message).toMatch(who)
    expect(defaultRows).toMatchObject({
      counted: 'not',
      why: expect.stringMatching(new RegExp(`^${who.source}`, 'i')),
    })
    expect(free.findings.map(({ code }) => code)).toEqual(['rows-astray-in-default'])
  })

  it('with deferred constraints has them checked at once, and rows that break none are moved', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1);
        CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, who bigint REFERENCES users DEFERRABLE INITIALLY DEFERRED,
          UNIQUE (id, at) DEFERRABLE INITIALLY DEFERRED) PARTITION BY RANGE (at);
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00', 1), (2, '2026-04-02 00:00:00+00', NULL);`,
      config: april,
      now,
      operations: createApril,
    })
  })

  it('that others refer to directly keeps its rows, and theirs', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      ${march} ${rest} CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES rest ON DELETE CASCADE);
      INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00'); INSERT INTO notes VALUES (1, '2026-04-02 00:00:00+00');`)
    await converges(database, {
      config: april,
      now,
      operations: [],
      findings: ['rows-in-default-referenced'],
    })
    expect(await database.sql('SELECT count(*)::int AS n FROM notes')).toEqual([{ n: 1 }])
    expect(await idsIn(database, 'rest')).toEqual([1])
  })

  it('of which others came to refer to the table after the plan keeps its rows, and theirs', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');`)
    const notes = `CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events ON DELETE CASCADE);
      INSERT INTO notes VALUES (1, '2026-04-02 00:00:00+00');`
    const partsmith = createPartsmith({
      pool: database.pool,
      hooks: [{ beforeCreate: meanwhile(database, notes) }],
    })
    const result = await partsmith.maintain(april, { now })
    expect(result.operations[0]?.status).toBe('refused')
    expect(result.issues[0]?.message).toContain('is referred to by others')
    expect(await database.sql('SELECT count(*)::int AS n FROM notes')).toEqual([{ n: 1 }])
    expect(await idsIn(database, 'rest')).toEqual([1])
  })

  it('with row-level security: an owner who is exempt moves its rows', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');
        ALTER TABLE rest ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON rest USING (false);`,
      config: april,
      now,
      operations: createApril,
    })
    expect(await idsIn(database, 'events__2026_04')).toEqual([1])
  })

  it('with row-level security that hides rows from its owner stops the creation, and no row is left behind or lost', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database)
    await database.sql(`${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');
      ALTER TABLE rest ENABLE ROW LEVEL SECURITY; ALTER TABLE rest FORCE ROW LEVEL SECURITY; CREATE POLICY none ON rest USING (false);
      GRANT ALL ON SCHEMA public TO ${role.name};
      ALTER TABLE events OWNER TO ${role.name}; ALTER TABLE rest OWNER TO ${role.name}; ALTER TABLE events__2026_03 OWNER TO ${role.name};`)
    const partsmith = createPartsmith({ pool: ownPool(database, { connectionString: role.url }) })
    const { result } = await partsmith.service.run(april, { now })
    expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
      'create public.events__2026_04: failed',
    ])
    expect(result.issues[0]?.message).toMatch(
      /BYPASSRLS where row-level security is forced .*Nothing was changed\.$/,
    )
    expect(await idsIn(database, 'rest')).toEqual([1])
    expect(await attachedTo(database, monthly)).toEqual([attachedMarch, 'rest DEFAULT'])
  })

  it('with a rule that turns deletes into nothing loses no row', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');
      CREATE RULE keep AS ON DELETE TO rest DO INSTEAD NOTHING;`)
    const { result } = await createPartsmith({ pool: database.pool }).service.run(april, { now })
    expect(result.success).toBe(false)
    expect(await idsIn(database, 'rest')).toEqual([1])
    expect(await attachedTo(database, monthly)).toEqual([attachedMarch, 'rest DEFAULT'])
  })

  it('that came after the plan makes the plan stale', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    const partsmith = createPartsmith({ pool: database.pool })
    const plan = await partsmith.plan(april, { now })
    await database.sql(`${rest} INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00');`)
    await expect(partsmith.apply(april, plan, { now })).rejects.toMatchObject({
      code: 'plan-stale',
      message: expect.stringContaining('public.rest is attached DEFAULT now and was not there'),
    })
  })

  it('of a date key has its rows moved', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE events (id bigint, at date) PARTITION BY RANGE (at); ${rest}
        INSERT INTO events VALUES (1, '2026-03-31'), (2, '2026-04-01'), (3, '2026-04-30'), (4, '2026-05-01');`,
      config: april,
      now,
      operations: ['create public.events__2026_03', ...createApril],
    })
    expect(await idsIn(database, 'events__2026_04')).toEqual([2, 3])
  })

  it('lets a partition be filled in between others', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${events} ${march} ${partition('may', '2026-05-01', '2026-06-01')} ${rest}
        INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00'), (2, '2026-06-02 00:00:00+00');`,
      config: { ...monthly, createAheadCount: 3 },
      now,
      operations: createApril,
      attached: [attachedMarch, attachedMonth('2026-04'), attachedMonth('2026-05', 'may'), 'rest DEFAULT'],
    })
  })
})
