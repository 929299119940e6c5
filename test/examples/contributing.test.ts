// The template that CONTRIBUTING.md shows.
import { it } from 'vitest'
import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

describeEachServer('a table without partitions', (major) => {
  it('gets the current one and the next', async () => {
    await using database = await createDatabase(major)
    await converges(database, {
      given: 'CREATE TABLE events (created_at timestamptz NOT NULL) PARTITION BY RANGE (created_at)',
      config: {
        tableName: 'events',
        partitionColumn: 'created_at',
        granularity: 'month',
        createAheadCount: 2,
      },
      now: '2026-03-15T12:00:00Z',
      operations: ['create public.events__2026_03', 'create public.events__2026_04'],
    })
  })
})
