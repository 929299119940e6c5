import { expect, it } from 'vitest'

import { createPartsmith } from '../../src/index.ts'
import type { FleetTarget } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'

const tables = `CREATE TABLE customers (id int PRIMARY KEY);
  CREATE TABLE first (id int, at timestamptz NOT NULL) PARTITION BY RANGE (at);
  CREATE TABLE second (id int, at timestamptz NOT NULL, UNIQUE (at)) PARTITION BY RANGE (at);`

const keys = [
  ['refers to another one', 'ALTER TABLE second ADD CONSTRAINT key FOREIGN KEY (id) REFERENCES customers'],
  ['is referred to', 'CREATE TABLE notes (at timestamptz CONSTRAINT key REFERENCES second (at))'],
  ['refers to itself', 'ALTER TABLE second ADD CONSTRAINT key FOREIGN KEY (at) REFERENCES second (at)'],
] as const

describeEachServer('a table that comes to have a foreign key between the look and the change', (major) => {
  it.each(keys)('is planned anew in a fleet, where it %s', async (_, ddl) => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const { service } = createPartsmith({
      pool: database.pool,
      hooks: [{ beforeCreate: once(database, ddl) }],
    })
    const [first, second] = await service.runFleet([target('first'), target('second')], {
      now,
      concurrency: 1,
    })
    expect(first?.result).toMatchObject({ success: true, createdCount: 2 })
    expect(second?.result).toMatchObject({ createdCount: 0, operations: [] })
    expect(second?.result.findings.map(({ code }) => code)).toEqual([
      'inserts-fail',
      'hazard-not-allowed',
      'hazard-not-allowed',
    ])
    expect(second?.result.findings[1]?.message).toContain('blocks-writes')
  })

  it.each(keys)('is left as it is where its operation was planned without, and it %s', async (_, ddl) => {
    await using database = await createDatabase(major)
    await database.sql(tables)
    const partsmith = createPartsmith({ pool: database.pool, hooks: [{ beforeCreate: once(database, ddl) }] })
    const result = await partsmith.maintainer.runMaintenanceSafe(target('second').config, { now })
    expect(result.operations).toMatchObject([{ status: 'refused' }, { status: 'refused' }])
    expect(result.issues).toMatchObject([{ code: 'plan-stale' }, { code: 'plan-stale' }])
    expect(result.issues[0]?.message).toContain(
      'public.second has other foreign keys now, or is referred to by others. Nothing was changed; plan again.',
    )
    expect(await database.sql(`SELECT FROM pg_class WHERE relname LIKE 'second\\_\\_%'`)).toHaveLength(0)
    const next = await partsmith.maintain({ ...settings, tableName: 'second' }, { now })
    expect(next).toMatchObject({ success: true, createdCount: 2 })
  })

  it('is not planned anew for the keys that its partitions and those of others have', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${tables}
      ALTER TABLE second ADD FOREIGN KEY (id) REFERENCES customers, ADD FOREIGN KEY (at) REFERENCES second (at);
      ALTER TABLE first ADD FOREIGN KEY (at) REFERENCES second (at);
      CREATE TABLE first_old PARTITION OF first FOR VALUES FROM ('2025-01-01 00:00+00') TO ('2025-02-01 00:00+00');`)
    const { metadata, service } = createPartsmith({ pool: database.pool })
    const tree = await metadata.readTree({ schema: 'public', name: 'second' })
    expect(tree.parent.foreignKeyOids?.split(' ')).toHaveLength(3)
    // The partition that is detached keeps its key, as a table of its own.
    const config = { ...settings, tableName: 'first', retentionCount: 1, dropAfter: '7 days' }
    expect(await service.maintain(config, { now })).toMatchObject({ createdCount: 2, detachedCount: 1 })
    expect(await metadata.hasSamePartitions(tree)).toBe(true)
    const own = { ...settings, tableName: 'second' }
    expect(await service.maintain(own, { now })).toMatchObject({ success: true, createdCount: 2 })
    const after = await metadata.readTree({ schema: 'public', name: 'second' })
    expect(after.parent.foreignKeyOids).toBe(tree.parent.foreignKeyOids)
    expect(await metadata.hasSamePartitions(after)).toBe(true)
    expect(await metadata.hasSamePartitions(tree)).toBe(false)
  })
})

const settings = { partitionColumn: 'at', granularity: 'month', createAheadCount: 2 } as const

const target = (tableName: string): FleetTarget => ({ config: { ...settings, tableName, allowHazards: [] } })

function once(database: TestDatabase, ddl: string): () => Promise<void> {
  let isDone = false
  return async () => {
    if (isDone) return
    isDone = true
    await database.sql(ddl)
  }
}
