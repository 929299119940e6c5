import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { readPage } from '../support/docs/describe-page.ts'
import { monthly, now } from '../support/events-table.ts'

const guide = readPage('docs/guides/default-partition.md').blocks.filter(({ language }) => language === 'sql')

/** The block of the guide that has all of these words. */
function block(...words: readonly string[]): string {
  const found = guide.find(({ text, hidden }) => !hidden && words.every((word) => text.includes(word)))
  if (!found) throw new Error(`No block of the guide has ${words.join(', ')}.`)
  return found.text
}

const events = `CREATE SCHEMA app;
  CREATE TABLE app.events (id bigint, created_at timestamptz NOT NULL, PRIMARY KEY (id, created_at))
    PARTITION BY RANGE (created_at);
  CREATE TABLE app.events_default PARTITION OF app.events DEFAULT;
  INSERT INTO app.events SELECT g, '2025-05-10 00:00:00+00' FROM generate_series(1, 4000) g;
  INSERT INTO app.events SELECT g, '2025-06-10 00:00:00+00' FROM generate_series(1, 300) g;`

const proven = (table: string): RegExp =>
  new RegExp(`partition constraint for table "${table}" is implied by existing constraints`)
const spared =
  /updated partition constraint for default partition "events_default" is implied by existing constraints/

describeEachServer('what is to be done by hand', (major) => {
  it('in small steps reads neither the new table nor DEFAULT while others wait', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    const said = await noticesOf(database, block('not_may'))
    expect(said).toMatch(proven('events__2025_05'))
    expect(said).toMatch(spared)
    expect(await countIn(database, 'app.events__2025_05')).toBe(4000)
    expect(await countIn(database, 'app.events')).toBe(4300)
    expect(await checksOf(database)).toEqual([])
  })

  it('in one transaction reads the new table not a second time', async () => {
    await using database = await createDatabase(major)
    await database.sql(events)
    expect(await noticesOf(database, block('SET LOCAL', 'in_june'))).toMatch(proven('events__2025_06'))
    expect(await countIn(database, 'app.events__2025_06')).toBe(300)
    expect(await checksOf(database)).toEqual([])
  })

  it('with rows that others refer to loses none of them, and the key is never gone for anybody', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events}
      CREATE TABLE app.notes (event_id bigint, event_at timestamptz, CONSTRAINT notes_event
        FOREIGN KEY (event_id, event_at) REFERENCES app.events (id, created_at) ON DELETE CASCADE);
      INSERT INTO app.notes SELECT id, created_at FROM app.events;`)
    const statements = block('app.notes', 'SET LOCAL').split(/(?<=;)\n/)
    const client = await database.pool.connect()
    const other = await database.pool.connect()
    let refused = 0
    for (const statement of statements) {
      await client.query(statement)
      // Whoever comes in between waits, or finds the key there.
      await other.query(`BEGIN; SET LOCAL lock_timeout = '10ms'`)
      const failure = await other.query(`INSERT INTO app.notes VALUES (-1, '2025-06-10 00:00:00+00')`).then(
        () => undefined,
        (error: { readonly code?: string }) => error.code,
      )
      await other.query('ROLLBACK')
      expect(['55P03', '23503']).toContain(failure)
      if (failure === '55P03') refused += 1
    }
    client.release()
    other.release()
    expect(refused).toBeGreaterThan(3)
    expect(await countIn(database, 'app.events__2025_06')).toBe(300)
    expect(await countIn(database, 'app.notes')).toBe(4300)
    expect(
      await database.sql(
        `SELECT convalidated AS valid FROM pg_constraint WHERE conname = 'notes_event' AND conrelid = 'app.notes'::regclass`,
      ),
    ).toEqual([{ valid: true }])
    await database.sql(`DELETE FROM app.events WHERE created_at >= '2025-06-01'`)
    expect(await countIn(database, 'app.notes')).toBe(4000)
  })

  it('to attach a table again reads it not while DEFAULT is locked', async () => {
    await using database = await createDatabase(major)
    const config = { ...monthly, retentionCount: 1, dropAfter: '30 days' }
    await database.sql(`CREATE TABLE events (id int, at timestamptz) PARTITION BY RANGE (at);
      CREATE TABLE events__2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00+00') TO ('2026-03-01 00:00+00');
      CREATE TABLE rest PARTITION OF events DEFAULT;
      INSERT INTO events VALUES (1, '2026-02-02');`)
    const partsmith = createPartsmith({ pool: database.pool })
    await partsmith.maintain(config, { now })
    // A copy has the comment of the table, and another OID.
    await database.sql(`ALTER TABLE events__2026_02 RENAME TO old;
      CREATE TABLE events__2026_02 AS TABLE old;
      DO $$ BEGIN EXECUTE format('COMMENT ON TABLE events__2026_02 IS %L', obj_description('old'::regclass)); END $$;
      DROP TABLE old;`)
    const { issues } = await partsmith.reattachPartition(config, 'events__2026_02', { now })
    const [, statements = ''] = /attach it by hand: (.*;) What ends/.exec(issues[0]?.message ?? '') ?? []
    expect(issues[0]?.message).toContain('The ATTACH reads all of public.rest under a lock')
    expect(issues[0]?.message).toContain('raise retentionCount before, or the next run that may detaches it')
    expect(await noticesOf(database, statements)).toMatch(proven('events__2026_02'))
    expect(await countIn(database, 'events')).toBe(1)
  })
})

/** Sends each statement on its own, as a person does, and gives what the server says of its reading. */
async function noticesOf(database: TestDatabase, text: string): Promise<string> {
  const client = await database.pool.connect()
  const said: string[] = []
  client.on('notice', ({ message }) => void said.push(message ?? ''))
  await client.query('SET client_min_messages = debug1')
  for (const statement of text.split(/(?<=;)\s/)) await client.query(statement)
  client.release(true)
  return said.join('\n')
}

async function countIn(database: TestDatabase, table: string): Promise<unknown> {
  return (await database.sql(`SELECT count(*)::int AS n FROM ${table}`))[0]?.['n']
}

async function checksOf(database: TestDatabase): Promise<readonly unknown[]> {
  return database.sql(`SELECT conname FROM pg_constraint WHERE contype = 'c'
    AND conrelid IN (SELECT oid FROM pg_class WHERE relname LIKE 'events%')`)
}
