import { expect, it } from 'vitest'
import { createPartsmith } from '../../src/index.ts'
import { attachedTo, converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { attachedMarch, attachedMonth, march, month, monthly, now } from '../support/events-table.ts'

const users = 'CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2);'
const keyed = `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);`
const referring = (onDelete = ''): string =>
  `CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events ${onDelete});`

describeEachServer('a table that refers to another', (major) => {
  const given = `${users}
    CREATE TABLE events (id bigint NOT NULL REFERENCES users, at timestamptz NOT NULL, note text REFERENCES labels) PARTITION BY RANGE (at);`
  const labels = `CREATE TABLE labels (note text PRIMARY KEY); INSERT INTO labels VALUES ('2026-01'), ('2026-02'), ('2026-03');`

  it('has partitions that do, too, and those tables in its locks', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${labels} ${given} ${march}`,
      config: { ...monthly, createAheadCount: 2 },
      now,
      operations: ['create public.events__2026_04'],
    })
    expect(plan.operations[0]?.locks).toContainEqual(
      expect.objectContaining({
        relation: { schema: 'public', name: 'users' },
        mode: 'SHARE ROW EXCLUSIVE',
      }),
    )
    await expect(database.sql(`INSERT INTO events VALUES (9, '2026-04-02')`)).rejects.toThrow(/foreign key/)
  })

  it('has its detached partitions dropped after their own foreign keys', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${labels} ${given} ${march} ${month('2026-02')}`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['detach public.events__2026_02', 'drop public.events__2026_02'],
      standalone: ['labels', 'users'],
    })
    expect(plan.operations[1]?.locks).toContainEqual(
      expect.objectContaining({
        relation: { schema: 'public', name: 'users' },
        mode: 'ACCESS EXCLUSIVE',
      }),
    )
  })

  it('may refer to a partitioned one', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE accounts (id bigint PRIMARY KEY) PARTITION BY HASH (id);
        CREATE TABLE accounts_0 PARTITION OF accounts FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE accounts_1 PARTITION OF accounts FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO accounts VALUES (1);
        CREATE TABLE events (id bigint NOT NULL REFERENCES accounts, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
        ${march} ${month('2026-02')}`,
      config: { ...monthly, createAheadCount: 2, retentionCount: 1 },
      now,
      operations: [
        'create public.events__2026_04',
        'detach public.events__2026_02',
        'drop public.events__2026_02',
      ],
    })
  })

  it('may refer to itself', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
        ALTER TABLE events ADD COLUMN before_id bigint, ADD COLUMN before_at timestamptz,
          ADD FOREIGN KEY (before_id, before_at) REFERENCES events;
        CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00');
        CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
        INSERT INTO events VALUES (1, '2026-02-02 00:00:00+00'), (2, '2026-03-02 00:00:00+00');`,
      config: { ...monthly, createAheadCount: 2, retentionCount: 1 },
      now,
      operations: [
        'create public.events__2026_04',
        'detach public.events__2026_02',
        'drop public.events__2026_02',
      ],
    })
  })
})

describeEachServer('a table that others refer to', (major) => {
  it('has partitions that they can refer to', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${keyed} ${referring()} ${march}`,
      config: { ...monthly, createAheadCount: 2 },
      now,
      operations: ['create public.events__2026_04'],
    })
    await database.sql(
      `INSERT INTO events VALUES (5, '2026-04-02'); INSERT INTO notes VALUES (5, '2026-04-02')`,
    )
    await expect(database.sql('DELETE FROM events WHERE id = 5')).rejects.toThrow(/foreign key/)
  })

  it('has them detached in mode auto by the blocking form, which waits for those tables, too', async () => {
    await using database = await createDatabase(major)
    const { plan } = await converges(database, {
      given: `${keyed} ${referring()} ${march} ${month('2026-02')}`,
      config: { ...monthly, retentionCount: 1, dropAfter: '1 day' },
      now,
      operations: ['detach public.events__2026_02'],
    })
    expect(plan.operations[0]).toMatchObject({
      mode: 'blocking',
      locks: expect.arrayContaining([
        expect.objectContaining({
          relation: { schema: 'public', name: 'notes' },
          mode: 'ACCESS EXCLUSIVE',
        }),
      ]),
    })
  })

  it.each([
    ['is referred to', `${keyed} ${referring()}`, 'public.notes'],
    [
      'refers',
      `${users} CREATE TABLE events (id bigint REFERENCES users, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);`,
      'public.users',
    ],
  ])(
    'has none detached in mode concurrent where it %s, because writers there would wait without a limit',
    async (_, tables, neighbour) => {
      await using database = await createDatabase(major)
      const { plan } = await converges(database, {
        given: `${tables} ${march} ${month('2026-02')}`,
        config: { ...monthly, retentionCount: 1, detachMode: 'concurrent' },
        now,
        operations: [],
        findings: ['concurrent-detach-impossible'],
      })
      expect(plan.findings[0]?.message).toContain(`PostgreSQL would lock ${neighbour} too`)
    },
  )

  it('has partitions retired that no row refers to', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${keyed} ${referring()} ${march} ${month('2026-02')}`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['detach public.events__2026_02', 'drop public.events__2026_02'],
    })
  })

  for (const onDelete of ['', 'ON DELETE CASCADE']) {
    for (const rest of ['', 'CREATE TABLE rest PARTITION OF events DEFAULT;']) {
      it(`keeps a partition that a row refers to ${onDelete} ${rest && 'beside a DEFAULT '}and has the others retired`, async () => {
        await using database = await createDatabase(major)
        await database.sql(`${keyed} ${referring(onDelete)} ${march} ${month('2026-01')} ${month('2026-02')} ${rest}
          INSERT INTO notes VALUES (1, '2026-01-10 00:00:00+00');`)
        const { plan } = await converges(database, {
          config: { ...monthly, retentionCount: 1 },
          now,
          operations: ['detach public.events__2026_02', 'drop public.events__2026_02'],
          findings: ['partition-referenced'],
        })
        expect(plan.findings).toMatchObject([
          {
            relation: { name: 'events__2026_01' },
            message:
              'public.events__2026_01 expired and is not detached: 1 row of public.notes refers to it (foreign key notes_id_at_fkey).',
          },
        ])
        expect(await attachedTo(database, monthly)).toContain(attachedMonth('2026-01'))
        expect(await database.sql('SELECT count(*)::int AS n FROM notes')).toEqual([{ n: 1 }])
      })

      it(`keeps a partition that a row refers to since the plan was made ${onDelete} ${rest && 'beside a DEFAULT '}and has the others retired`, async () => {
        await using database = await createDatabase(major)
        await database.sql(
          `${keyed} ${referring(onDelete)} ${march} ${month('2026-01')} ${month('2026-02')} ${rest}`,
        )
        const partsmith = createPartsmith({
          pool: database.pool,
          hooks: [
            {
              beforeDetach: async ({ partition }) => {
                if (partition.name !== 'events__2026_01') return
                await database.sql(`INSERT INTO notes VALUES (1, '2026-01-10 00:00:00+00')`)
              },
            },
          ],
        })
        const result = await partsmith.maintain({ ...monthly, retentionCount: 1 }, { now })
        expect(result.operations.map(({ id, status }) => `${id}: ${status}`)).toEqual([
          'detach public.events__2026_01: refused',
          'detach public.events__2026_02: done',
          'drop public.events__2026_01: not-run',
          'drop public.events__2026_02: done',
        ])
        expect(result.issues[0]).toMatchObject({ step: 'detach', code: 'partition-referenced' })
        expect(result.issues[0]?.message).toMatch(
          /^public\.events: cannot detach public\.events__2026_01: .*delete the rows that refer to it, or have them refer to rows that stay, then run again\.$/,
        )
        expect(result.withheldCount).toBe(0)
        expect(await attachedTo(database, monthly)).toContain(attachedMonth('2026-01'))
        expect(await database.sql('SELECT count(*)::int AS n FROM notes')).toEqual([{ n: 1 }])
      })
    }
  }

  it('has rows in DEFAULT that cannot be moved: it is said and nothing is planned', async () => {
    await using database = await createDatabase(major)
    for (const onDelete of ['', 'ON DELETE CASCADE', 'ON DELETE SET NULL', 'DEFERRABLE INITIALLY DEFERRED']) {
      const { plan } = await converges(database, {
        given: `DROP TABLE IF EXISTS notes, events; ${keyed} ${referring(onDelete)} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;
          INSERT INTO events VALUES (1, '2026-04-02 00:00:00+00'); INSERT INTO notes VALUES (1, '2026-04-02 00:00:00+00');`,
        config: { ...monthly, createAheadCount: 3 },
        now,
        operations: ['create public.events__2026_05'],
        findings: ['rows-in-default-referenced'],
      })
      expect(plan.findings[0]?.message).toContain('public.notes refers to this table (notes_id_at_fkey)')
      expect(plan.findings[0]?.next).toMatch(/^Move them by hand in one transaction, .* --allow-destructive /)
      expect(await database.sql('SELECT count(*)::int AS n FROM notes WHERE id IS NOT NULL')).toEqual([
        { n: 1 },
      ])
    }
  })
})

describeEachServer('a detached table that others refer to', (major) => {
  it('is kept, with a sentence, until they do not', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `${keyed} ${march} ${month('2026-02')}`,
      config: { ...monthly, retentionCount: 1, dropAfter: '1 day' },
      now,
      operations: ['detach public.events__2026_02'],
    })
    const { plan } = await converges(database, {
      given: `CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events__2026_02);`,
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: [],
      findings: ['orphan-referenced'],
      attached: [attachedMarch],
    })
    expect(plan.findings[0]?.message).toContain(
      'the foreign key notes_id_at_fkey of public.notes refers to it',
    )
    await database.sql('DROP TABLE notes')
    await converges(database, {
      config: { ...monthly, retentionCount: 1 },
      now,
      operations: ['drop public.events__2026_02'],
    })
  })

  it('is kept when the foreign key came after the plan', async () => {
    await using database = await createDatabase(major)
    const { partsmith } = await converges(database, {
      given: `${keyed} ${march} ${month('2026-02')}`,
      config: { ...monthly, retentionCount: 1, dropAfter: '1 day' },
      now,
      operations: ['detach public.events__2026_02'],
    })
    const config = { ...monthly, retentionCount: 1 }
    const plan = await partsmith.plan(config, { now })
    await database.sql(
      'CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events__2026_02)',
    )
    const result = await partsmith.apply(config, plan, { now })
    expect(result.operations[0]?.status).toBe('refused')
    expect(result.issues[0]?.message).toMatch(/.\.$/)
    expect(await database.sql('SELECT count(*)::int AS n FROM events__2026_02')).toEqual([{ n: 1 }])
  })
})
