import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseDocument } from '../../src/index.ts'
import { describeCli, workingDirectory } from '../support/cli.ts'
import { makeMonthly } from '../support/cli-tables.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'

describeCli('init', (major, cli) => {
  it('writes a configuration from the bounds, whatever the names are, that the other commands accept', async () => {
    const database = await createDatabase(major)
    await makeVariety(database)
    const cwd = workingDirectory()
    const env = { PG_PARTSMITH_URL: database.url }

    const { code, stdout, stderr } = await cli(['init'], { cwd, env })

    expect(stderr).toBe('')
    expect(stdout).toContain('Wrote partsmith.config.yaml with 4 tables:')
    expect(stdout).toContain('  app.events  by month of created_at\n')
    expect(stdout).toContain('  app.berlin  by day of at in Europe/Berlin\n')
    expect(stdout).toContain('  app."Odd ""Name"""  by week of d\n')
    expect(stdout).toContain('  app.hours  by hour of at\n')
    expect(stdout).toContain('  app.lists: it is partitioned by LIST\n')
    expect(stdout).toContain(
      '  app.numbers: its key id is of type integer, and this version maintains times\n',
    )
    expect(stdout).toContain('  app.pairs: its key has 2 columns\n')
    expect(stdout).toContain('  app.computed: its key is an expression\n')
    expect(stdout).toMatch(/ {2}app\.nothing_yet: it has no partition with a range yet/)
    expect(code).toBe(0)

    const text = readFileSync(join(cwd, 'partsmith.config.yaml'), 'utf8')
    expect(text).toContain('    # retentionCount: 12 # without it nothing ever expires')
    expect(text).toContain('    # retentionCount: 72 # without it nothing ever expires')
    expect(text).toContain('#   app.lists: it is partitioned by LIST')
    expect(text).toMatch(/# The zone is read from the bounds\. \S+ and \d+ more fit as well\./)
    expect(text).not.toContain('connection')
    const validated = await cli(['validate'], { cwd, env })
    expect(validated.stdout).toMatch(
      /^All 4 tables are as configured, and inserts of the present moment into them fail$/m,
    )
    expect(validated.code).toBe(0)
    // Nothing expires until somebody says so.
    const planned = JSON.parse((await cli(['plan', '--output', 'json'], { cwd, env })).stdout)
    const kinds = planned.tables.flatMap(({ plan }: { plan: { operations: { kind: string }[] } }) =>
      plan.operations.map(({ kind }) => kind),
    )
    expect(new Set(kinds)).toEqual(new Set(['create']))
  })

  it('writes TypeScript and JSON that are read back as the same tables', async () => {
    const database = await createDatabase(major)
    await makeVariety(database)
    const cwd = workingDirectory()
    const url = ['--url', database.url]
    const yaml = await cli(['init', '--write', 'a.yaml', ...url], { cwd })
    expect(yaml.code).toBe(0)
    expect((await cli(['init', '--format', 'ts', '--write', 'b.ts', ...url], { cwd })).code).toBe(0)
    const json = await cli(['init', '--format', 'json', '--write', 'c.json', ...url], { cwd })
    expect(json.stdout).toContain('app.lists: it is partitioned by LIST')
    expect('document' in parseDocument(JSON.parse(readFileSync(join(cwd, 'c.json'), 'utf8')))).toBe(true)
    expect(readFileSync(join(cwd, 'b.ts'), 'utf8')).toContain("from 'pg-partsmith/config'")
    const plans = await Promise.all(
      ['a.yaml', 'b.ts', 'c.json'].map(async (file) => {
        const { stdout, code } = await cli(['plan', '-c', file, '--output', 'json', ...url], { cwd })
        expect(code).toBe(0)
        return JSON.parse(stdout).tables.map(
          ({ plan }: { plan: { configFingerprint: string } }) => plan.configFingerprint,
        )
      }),
    )
    expect(plans[0]).toHaveLength(4)
    expect(plans[1]).toEqual(plans[0])
    expect(plans[2]).toEqual(plans[0])
  })

  it('overwrites no file, and prints for --write -', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    const cwd = workingDirectory()
    const url = ['--url', database.url]
    writeFileSync(join(cwd, 'mine.yaml'), 'mine')
    const existing = await cli(['init', '--write', 'mine.yaml', ...url], { cwd })
    expect(existing.stderr).toContain('mine.yaml exists already, and it is not overwritten.')
    expect(existing.code).toBe(4)
    expect(readFileSync(join(cwd, 'mine.yaml'), 'utf8')).toBe('mine')

    writeFileSync(join(cwd, 'partsmith.config.ts'), '')
    const second = await cli(['init', ...url], { cwd })
    expect(second.stderr).toContain('There is partsmith.config.ts here already')
    expect(second.code).toBe(4)

    const printed = await cli(['init', '--write', '-', ...url], { cwd })
    expect(printed.stdout).toContain('tableName: events')
    expect(printed.stdout).not.toContain('Wrote')
    expect(printed.stderr).toContain('app.events  by month')
    expect(printed.code).toBe(0)
    expect(readdirSync(cwd).sort()).toEqual(['mine.yaml', 'partsmith.config.ts'])
  })

  it('ends with 3 and writes nothing where there is nothing to maintain', async () => {
    const database = await createDatabase(major)
    const cwd = workingDirectory()
    const none = await cli(['init', '--url', database.url], { cwd })
    expect(none.stderr).toMatch(/There is no partitioned table in postgres:\/\/\S+ that this user can see/)
    expect(none.code).toBe(3)
    await database.sql('CREATE TABLE lists (id int) PARTITION BY LIST (id)')
    const useless = await cli(['init', '--url', database.url], { cwd })
    expect(useless.stderr).toContain('public.lists: it is partitioned by LIST')
    expect(useless.code).toBe(3)
    expect(readdirSync(cwd)).toEqual([])
  })
})

/** Tables of several kinds, with partitions that are called anything. */
async function makeVariety(database: TestDatabase): Promise<void> {
  await makeMonthly(database, { past: 14 })
  await database.sql(`
    CREATE TABLE app.berlin (at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE app.hours (at timestamptz) PARTITION BY RANGE (at);
    CREATE TABLE app."Odd ""Name""" (d date) PARTITION BY RANGE (d);
    CREATE TABLE app.lists (id int) PARTITION BY LIST (id);
    CREATE TABLE app.numbers (id int) PARTITION BY RANGE (id);
    CREATE TABLE app.pairs (a int, b timestamptz) PARTITION BY RANGE (a, b);
    CREATE TABLE app.computed (at timestamptz) PARTITION BY RANGE ((at AT TIME ZONE 'UTC'));
    CREATE TABLE app.nothing_yet (at timestamptz) PARTITION BY RANGE (at);
    SET TimeZone = 'Europe/Berlin';
    DO $$ BEGIN
      FOR n IN 0..9 LOOP
        EXECUTE format('CREATE TABLE app.%I PARTITION OF app.berlin FOR VALUES FROM (%L) TO (%L)',
          'whatever ' || n, '2026-03-24'::timestamptz + n * interval '1 day', '2026-03-24'::timestamptz + (n + 1) * interval '1 day');
        EXECUTE format('CREATE TABLE app.%I PARTITION OF app.hours FOR VALUES FROM (%L) TO (%L)',
          'h' || n, '2026-03-24 10:00+00'::timestamptz + n * interval '1 hour', '2026-03-24 10:00+00'::timestamptz + (n + 1) * interval '1 hour');
        EXECUTE format('CREATE TABLE app.%I PARTITION OF app."Odd ""Name""" FOR VALUES FROM (%L) TO (%L)',
          'w' || n, '2026-03-23'::date + n * 7, '2026-03-23'::date + (n + 1) * 7);
      END LOOP;
    END $$;
    RESET TimeZone;`)
}
