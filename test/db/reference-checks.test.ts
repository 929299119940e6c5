import { expect, it } from 'vitest'

import type { MaintenancePlan, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { sqlStateOf } from '../../src/run/sql-state.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { createRole } from '../support/roles.ts'
import { monthly, now } from '../support/events-table.ts'

const config = { ...monthly, retentionCount: 1, dropAfter: '7 days' } as const
const partition = (name: string, month: number, of = 'events'): string =>
  `CREATE TABLE ${name} PARTITION OF ${of} FOR VALUES FROM ('2026-0${month}-01 00:00+00') TO ('2026-0${month + 1}-01 00:00+00');`
const january = partition('e1', 1)
const february = partition('e2', 2)
const march = partition('events__2026_03', 3)
const events = `CREATE TABLE events (id int, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); ${january} ${march}`
const notes = `CREATE TABLE notes (event int, event_at timestamptz, FOREIGN KEY (event, event_at) REFERENCES events);`
/** All of them refer to March, so that the server looks through them in vain. */
const manyNotes = `INSERT INTO events SELECT i, '2026-01-10' FROM generate_series(1, 1000) i;
  INSERT INTO events SELECT i, '2026-03-10' FROM generate_series(1, 1000) i;
  CREATE TABLE notes (event int, event_at timestamptz);
  INSERT INTO notes SELECT i % 1000 + 1, '2026-03-10' FROM generate_series(1, 300000) i;
  ALTER TABLE notes ADD FOREIGN KEY (event, event_at) REFERENCES events; ANALYZE notes; ANALYZE events;`

describeEachServer('rows that refer to a partition that has expired', (major) => {
  it('are looked for long before a lock, and a check that would take too long is said, until an index makes it short', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `${events} ${february} INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 1000) i; ${manyNotes}`,
    )
    const texts: string[] = []
    const pool = observedClient(fromPg(database.pool), {
      beforeSending: ({ text }) => void texts.push(text),
    })
    const partsmith = createPartsmith({ pool, lockTimeoutMs: 10 })
    const plan = await partsmith.plan(config, { now })
    expect(plan.operations).toEqual([])
    expect(plan.findings).toMatchObject([{ code: 'reference-check-too-long', severity: 'warning' }])
    expect(plan.findings[0]?.message).toMatch(
      /^public\.e1 and public\.e2 expired and are not detached: .* public\.notes \(1\d MB\) .* measured without the lock: \d\d+ ms, longer than the 10 ms /,
    )
    expect(plan.findings[0]?.next).toMatch(
      /^public\.notes has no index that begins with "event", "event_at": create one, .* raise lockTimeoutMs /,
    )
    // Twice because the first may have read from disk, and not for the other partition, which is as large.
    expect(texts.filter(isCheck)).toHaveLength(2)

    await database.sql(
      `CREATE INDEX ON notes (event_at, event); DELETE FROM events WHERE at < '2026-03-01' AND id > 5; ANALYZE notes; ANALYZE events`,
    )
    // Where the machine is busy, even a short check can take as long.
    await expect
      .poll(() => partsmith.plan(config, { now }), { timeout: 20_000 })
      .toMatchObject({
        findings: [],
        operations: [
          {
            id: 'detach public.e1',
            hazards: ['hides-data', 'access-exclusive-lock', 'cancels-standby-queries'],
            scans: [{ relation: { schema: 'public', name: 'notes' } }],
          },
          { id: 'detach public.e2' },
        ],
      })
    const result = await createPartsmith({ pool: database.pool }).maintain(config, { now })
    expect(result).toMatchObject({ success: true, detachedCount: 2 })
  })

  it('are looked for with a price on the detach, and a hazard where all of the other table is read', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${manyNotes}`)
    const [operation] = (
      await createPartsmith({ pool: database.pool, lockTimeoutMs: 790 }).plan(config, { now })
    ).operations
    expect(operation).toMatchObject({
      kind: 'detach',
      mode: 'blocking',
      hazards: expect.arrayContaining(['full-scan']),
      scans: [{ relation: { schema: 'public', name: 'notes' }, estimatedMs: expect.any(Number) }],
    })
    expect(operation?.scans[0]?.bytes).toBeGreaterThan(10_000_000)
    expect(operation?.scans[0]?.estimatedMs).toBeGreaterThan(5)
  })

  it('are not looked for any longer than a statement may take, and the rest is left for the next run', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `${events} ${february} INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 1000) i; ${manyNotes}`,
    )
    const plan = await createPartsmith({
      pool: database.pool,
      lockTimeoutMs: 1,
      statementTimeoutMs: 1,
    }).plan(config, { now })
    expect(plan.operations).toEqual([])
    expect(plan.findings).toMatchObject([
      {
        code: 'reference-check-postponed',
        severity: 'info',
        message:
          'public.e1 and public.e2 expired and are not detached now: the 1 ms that a run looks for rows that refer to partitions (statementTimeoutMs) were used up before.',
      },
    ])
  })

  it('cut the look short where a single check takes longer than all may', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `${events} ${february} INSERT INTO events SELECT i, '2026-02-10' FROM generate_series(1, 1000) i; ${manyNotes}`,
    )
    await database.sql(`INSERT INTO events SELECT i, '2026-01-10' FROM generate_series(1001, 5000) i`)
    // What is left is to compare each row with each.
    const off = ['hashjoin', 'mergejoin', 'indexscan', 'indexonlyscan', 'bitmapscan']
      .map((way) => `set_config('enable_${way}', 'off', false)`)
      .join(', ')
    const fresh = createPartsmith({
      pool: observedClient(fromPg(database.pool), {
        beforeSending: async ({ text, ask }) => {
          if (text.startsWith('BEGIN')) await ask(`SELECT ${off}`)
        },
      }),
      statementTimeoutMs: 400,
    })
    const plan = await fresh.plan(config, { now })
    expect(plan.operations).toEqual([])
    expect(plan.findings.map(({ code }) => code)).toEqual([
      'reference-check-too-long',
      'reference-check-postponed',
    ])
    expect(plan.findings[0]?.message).toMatch(/measured without the lock: at least \d{3} ms, longer than/)
  })

  it('are counted, up to a limit, and named with their foreign key', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${february} ${notes}
      INSERT INTO events SELECT i, at::timestamptz FROM generate_series(1, 11000) i, unnest(ARRAY['2026-01-10', '2026-02-10']) at;
      INSERT INTO notes SELECT i, '2026-01-10' FROM generate_series(1, 11000) i;
      INSERT INTO notes VALUES (1, '2026-02-10'), (2, '2026-02-10'), (3, NULL), (NULL, '2026-02-10')`)
    const plan = await planOf(database)
    expect(plan.operations).toEqual([])
    expect(plan.findings.map(({ message }) => message)).toEqual([
      'public.e1 (at least 10,000 rows) and public.e2 (2 rows) expired and are not detached: rows of public.notes refer to them (foreign key notes_event_event_at_fkey).',
    ])
    await agreesWithServer(database, plan, ['e1', 'e2'])
  })

  it('are found behind hostile names, several columns, collations and the partitions of their own table', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE SCHEMA "s ""1"; SET search_path = "s ""1";
      CREATE TABLE "ev'ents" ("r" text COLLATE "C", "select" text, "at ""t" timestamptz NOT NULL, PRIMARY KEY ("select", r, "at ""t")) PARTITION BY RANGE ("at ""t");
      CREATE TABLE "old ""'; --" PARTITION OF "ev'ents" FOR VALUES FROM ('2026-01-01 00:00+00') TO ('2026-02-01 00:00+00');
      CREATE TABLE free PARTITION OF "ev'ents" FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
      CREATE TABLE "ev'ents__2026_03" PARTITION OF "ev'ents" FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
      INSERT INTO "ev'ents" VALUES ('x', 'y', '2026-01-10'), ('x', 'y', '2026-02-10'), ('x', 'y', '2026-03-10');
      CREATE TABLE "no ""tes" ("at ""t" timestamptz, "group" varchar(9), r text,
        CONSTRAINT "k ""1" FOREIGN KEY ("group", r, "at ""t") REFERENCES "ev'ents" MATCH FULL) PARTITION BY HASH (r);
      CREATE TABLE part PARTITION OF "no ""tes" FOR VALUES WITH (MODULUS 1, REMAINDER 0);
      INSERT INTO "no ""tes" VALUES ('2026-01-10', 'y', 'x'), ('2026-03-10', 'y', 'x'), (NULL, NULL, NULL)`)
    const plan = await planOf(database, { schema: 's "1', tableName: "ev'ents", partitionColumn: 'at "t' })
    expect(plan.operations.map(({ partition: { name } }) => name)).toEqual(['free'])
    expect(plan.operations[0]?.scans).toMatchObject([{ relation: { schema: 's "1', name: 'no "tes' } }])
    expect(plan.findings).toMatchObject([{ code: 'partition-referenced', relation: { name: `old "'; --` } }])
    expect(plan.findings[0]?.message).toContain('foreign key k "1')
  })

  it('are found in the table itself', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${february}
      ALTER TABLE events ADD COLUMN before int, ADD COLUMN before_at timestamptz, ADD FOREIGN KEY (before, before_at) REFERENCES events;
      INSERT INTO events VALUES (1, '2026-01-10', NULL, NULL), (2, '2026-03-10', 1, '2026-01-10')`)
    const plan = await planOf(database)
    expect(plan.operations.map(({ id }) => id)).toEqual(['detach public.e2'])
    expect(plan.findings.map(({ message }) => message)).toEqual([
      'public.e1 expired and is not detached: 1 row of public.events refers to it (foreign key events_before_before_at_fkey).',
    ])
    await agreesWithServer(database, plan, ['e1', 'e2'])
  })

  it('are found through a key of a table above, which is named as it was made', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE top (region text, id int, at timestamptz, PRIMARY KEY (region, id, at)) PARTITION BY LIST (region);
      CREATE TABLE events PARTITION OF top FOR VALUES IN ('eu') PARTITION BY RANGE (at); ${january} ${february} ${march}
      CREATE TABLE notes (region text, id int, at timestamptz, CONSTRAINT written FOREIGN KEY (region, id, at) REFERENCES top);
      INSERT INTO top VALUES ('eu', 1, '2026-01-10'); INSERT INTO notes VALUES ('eu', 1, '2026-01-10')`)
    const plan = await planOf(database)
    expect(plan.operations.map(({ id }) => id)).toEqual(['detach public.e2'])
    expect(plan.findings[0]?.message).toContain('refers to it (foreign key written).')
    await agreesWithServer(database, plan, ['e1', 'e2'])
  })

  it('are found where a key is NOT VALID or NOT ENFORCED, which the server checks all the same', async () => {
    if (major < 18) return
    await using database = await createDatabase(major)
    await database.sql(`${events} ${february} CREATE TABLE notes (event int, event_at timestamptz,
      FOREIGN KEY (event, event_at) REFERENCES events NOT ENFORCED); INSERT INTO events VALUES (1, '2026-01-10'); INSERT INTO notes VALUES (1, '2026-01-10')`)
    const plan = await planOf(database)
    expect(plan.findings.map(({ code }) => code)).toEqual(['partition-referenced'])
    await agreesWithServer(database, plan, ['e1', 'e2'])
  })

  it('are not known while their table is locked, and nothing is detached then', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${notes}`)
    const holder = await database.pool.connect()
    await holder.query('BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE')
    const plan = await planOf(database)
    await holder.query('ROLLBACK')
    holder.release()
    expect(plan.operations).toEqual([])
    expect(plan.findings).toMatchObject([
      {
        code: 'reference-check-unread',
        relation: { name: 'e1' },
        message: expect.stringMatching(
          /a lock on one of them was not free in time: pid .* holds ACCESS EXCLUSIVE on /,
        ),
      },
    ])
    expect((await planOf(database)).operations).toHaveLength(1)
  })

  it('may be unreadable for who plans, which the plan says and leaves to who applies', async () => {
    await using database = await createDatabase(major)
    const role = await createRole(database)
    await database.sql(`${events} ${notes} ALTER TABLE events OWNER TO ${role.name}; ALTER TABLE e1 OWNER TO ${role.name};
      ALTER TABLE events__2026_03 OWNER TO ${role.name}; GRANT ALL ON SCHEMA public TO ${role.name}`)
    const pool = observedClient(fromPg(database.pool), {
      beforeSending: async ({ text, ask }) => {
        if (text.startsWith('BEGIN')) await ask(`SET ROLE ${role.name}`)
      },
    })
    const plan = await createPartsmith({ pool }).plan(config, { now })
    expect(plan.operations.map(({ id }) => id)).toEqual(['detach public.e1'])
    expect(plan.findings).toMatchObject([
      {
        code: 'rights-missing',
        relation: { name: 'notes' },
        next: expect.stringContaining('`pg-partsmith grants`'),
      },
    ])
  })

  it('are looked for under no lock but ACCESS SHARE', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${notes}`)
    const modes = new Set<unknown>()
    const pool = observedClient(fromPg(database.pool), {
      beforeSending: async ({ text, ask }) => {
        if (text !== 'COMMIT') return
        const seen = await ask(
          `SELECT string_agg(DISTINCT c.relname || ' ' || l.mode, ', ') AS seen FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
           WHERE l.pid = pg_backend_pid() AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace`,
        )
        modes.add(seen['seen'])
      },
    })
    await createPartsmith({ pool }).plan(config, { now })
    expect(modes).toEqual(new Set([null, 'e1 AccessShareLock, notes AccessShareLock']))
  })

  it('are not asked about where nothing has expired', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} DROP TABLE e1;`)
    const texts: string[] = []
    const pool = observedClient(fromPg(database.pool), { beforeSending: ({ text }) => void texts.push(text) })
    const { plan, ensurePartition } = createPartsmith({ pool })
    await plan(config, { now })
    const before = texts.splice(0).length
    await database.sql(notes)
    await plan(config, { now })
    expect(texts.splice(0)).toHaveLength(before)
    await database.sql(january)
    await plan(config, { now })
    expect(texts.splice(0).length).toBeGreaterThan(before)
    // Who waits for a partition does not wait for questions about others.
    await ensurePartition(config, now)
    expect(texts.filter(isCheck)).toEqual([])
  })

  it('are found for each table of a fleet', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${notes} INSERT INTO events VALUES (1, '2026-01-10'); INSERT INTO notes VALUES (1, '2026-01-10');
      CREATE TABLE others (at timestamptz NOT NULL) PARTITION BY RANGE (at);
      ${partition('o1', 1, 'others')} ${partition('others__2026_03', 3, 'others')}`)
    const { planFleet, maintainFleet } = createPartsmith({ pool: database.pool })
    const both = [config, { ...config, tableName: 'others' }]
    const plans = (await planFleet(both, { now })).flatMap((one) => ('plan' in one ? [one.plan] : []))
    expect(plans.map(({ operations }) => operations.map(({ id }) => id))).toEqual([[], ['detach public.o1']])
    expect(plans[0]?.findings.map(({ code }) => code)).toEqual(['partition-referenced'])
    const results = await maintainFleet(
      both.map((each) => ({ config: each })),
      { now },
    )
    expect(results.map(({ detachedCount }) => detachedCount)).toEqual([0, 1])
  })
})

async function planOf(
  database: TestDatabase,
  options: Partial<TablePartitionOptions> = {},
): Promise<MaintenancePlan> {
  return createPartsmith({ pool: database.pool }).plan({ ...config, ...options }, { now })
}

function isCheck(text: string): boolean {
  return text.includes('WITH found AS MATERIALIZED')
}

/** The server itself is asked what it would say to each detach. */
async function agreesWithServer(
  database: TestDatabase,
  plan: MaintenancePlan,
  names: readonly string[],
): Promise<void> {
  const said: unknown[] = []
  for (const name of names) {
    const client = await database.pool.connect()
    await client.query('BEGIN')
    const code = await client
      .query(`ALTER TABLE events DETACH PARTITION ${name}`)
      .then(() => 'may go', sqlStateOf)
    await client.query('ROLLBACK')
    client.release()
    said.push(code)
  }
  const planned = new Set(plan.operations.map(({ partition: { name } }) => name))
  expect(said).toEqual(names.map((name) => (planned.has(name) ? 'may go' : '23503')))
}
