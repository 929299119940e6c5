import { expect, it } from 'vitest'
import type { TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { now } from '../support/events-table.ts'

const columns = '(id int, at timestamptz NOT NULL, day date NOT NULL, label text NOT NULL)'
const config: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  retentionCount: 1,
}

const mismatches: readonly {
  readonly what: string
  readonly by: string
  readonly code: string
  readonly message: RegExp
  readonly next: RegExp
}[] = [
  {
    what: 'by LIST',
    by: 'LIST (label)',
    code: 'method-mismatch',
    message: /by LIST and the configuration says RANGE/,
    next: /Take the table out/,
  },
  {
    what: 'by HASH',
    by: 'HASH (id)',
    code: 'method-mismatch',
    message: /by HASH and the configuration says RANGE/,
    next: /Take the table out/,
  },
  {
    what: 'by two columns',
    by: 'RANGE (at, id)',
    code: 'key-mismatch',
    message: /partitioned by \(at, id\) and the configuration says \(at\)/,
    next: /one plain column/,
  },
  {
    what: 'by another column',
    by: 'RANGE (day)',
    code: 'key-mismatch',
    message: /partitioned by \(day\)/,
    next: /Set partitionColumn to "day"/,
  },
  {
    what: 'by an expression',
    by: 'RANGE (lower(label))',
    code: 'key-mismatch',
    message: /partitioned by \(lower\(label\)\) and/,
    next: /one plain column/,
  },
  {
    what: 'by a column and an expression',
    by: 'RANGE (at, lower(label))',
    code: 'key-mismatch',
    message: /partitioned by \(at, lower\(label\)\) and/,
    next: /one plain column/,
  },
]

describeEachServer('a table that is not partitioned as configured', (major) => {
  for (const { what, by, code, message, next } of mismatches) {
    it(`${what} has nothing planned for it`, async () => {
      await using database = await createDatabase(major)
      const { plan } = await converges(database, {
        given: `CREATE TABLE events ${columns} PARTITION BY ${by}`,
        config,
        now,
        operations: [],
        findings: [code],
      })
      expect(plan.findings[0]).toMatchObject({
        severity: 'error',
        message: expect.stringMatching(message),
        next: expect.stringMatching(next),
      })
    })
  }

  for (const type of ['integer', 'bigint', 'uuid', 'text', 'time']) {
    it(`by a key of type ${type} has nothing planned for it`, async () => {
      await using database = await createDatabase(major)
      const { plan } = await converges(database, {
        given: `CREATE TABLE events (at ${type} NOT NULL) PARTITION BY RANGE (at)`,
        config,
        now,
        operations: [],
        findings: ['key-type-unsupported'],
      })
      expect(plan.findings[0]?.message).toMatch(/^The key public\.events\.at is of type /)
    })
  }

  it('by a column that does not exist is told so', async () => {
    await using database = await createDatabase(major)
    const { plan, partsmith } = await converges(database, {
      given: `CREATE TABLE events ${columns} PARTITION BY RANGE (at)`,
      config: { ...config, partitionColumn: 'created_at' },
      now,
      operations: [],
      findings: ['key-mismatch'],
    })
    expect(plan.findings[0]?.message).toBe(
      'public.events has no column "created_at"; it is partitioned by (at).',
    )
    const inspection = await partsmith.inspect({ ...config, partitionColumn: 'created_at' })
    expect(inspection).toMatchObject({
      method: 'range',
      key: ['at'],
      runway: undefined,
      findings: plan.findings,
    })
  })

  it('is not touched: not even an expired partition', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: `CREATE TABLE events ${columns} PARTITION BY RANGE (day);
        CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2001-01-01') TO ('2001-02-01');`,
      config,
      now,
      operations: [],
      findings: ['key-mismatch'],
      attached: [`old FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')`],
    })
  })

  it('is refused with a sentence where it is no partitioned table, or is not there', async () => {
    await using database = await createDatabase(major)
    await database.sql(
      `CREATE TABLE plain (at timestamptz); CREATE VIEW seen AS SELECT 1; CREATE TABLE "Events" ${columns} PARTITION BY RANGE (at)`,
    )
    const partsmith = createPartsmith({ pool: database.pool })
    for (const tableName of ['plain', 'seen']) {
      await expect(partsmith.plan({ ...config, tableName })).rejects.toMatchObject({
        code: 'invalid-config',
        message: expect.stringMatching(/is not a partitioned table\. .*\.$/),
      })
    }
    for (const unknown of [{ tableName: 'events' }, { tableName: 'Events', schema: 'nowhere' }]) {
      await expect(partsmith.maintain({ ...config, ...unknown })).rejects.toMatchObject({
        code: 'partition-not-found',
        message: expect.stringMatching(/There is no table .*\.$/),
      })
    }
  })
})
