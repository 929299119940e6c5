import { expect, it } from 'vitest'

import type { CreateOperation, MaintenancePlan, Operation, Partsmith } from '../../src/index.ts'
import { createPartsmith, fromPg, Instant } from '../../src/index.ts'
import { summarizeRuns } from '../../src/cli/render/run-result.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import { observedClient } from '../support/observed-client.ts'
import { monthly, now } from '../support/events-table.ts'
import { exclusions, filled, tight } from '../support/large-default.ts'

const config = { ...monthly, createAheadCount: 2 }

describeEachServer('a range that is excluded from DEFAULT', (major) => {
  it.each([
    {
      granularity: 'month',
      inTime: '2026-03-30T23:58:00Z',
      late: '2026-03-30T23:59:30Z',
      margin: '24 hours',
    },
    { granularity: 'day', inTime: '2026-03-30T23:58:00Z', late: '2026-03-30T23:59:30Z', margin: '24 hours' },
    { granularity: 'hour', inTime: '2026-03-31T22:58:00Z', late: '2026-03-31T22:59:30Z', margin: 'an hour' },
  ] as const)(
    'begins long after the CHECK has to be off again: partitions of a $granularity',
    async ({ granularity, inTime, late, margin }) => {
      await using database = await createDatabase(major)
      await database.sql(filled)
      const partsmith = tight(database)
      const wanted = { ...config, granularity, createAheadCount: 30 }
      expect(aprils(await partsmith.plan(wanted, { now: inTime }))).toMatchObject({ kind: 'create' })
      const plan = await partsmith.plan(wanted, { now: late })
      expect(aprils(plan)).toBeUndefined()
      const found = plan.findings.find(({ range }) => range?.from === '2026-04-01 00:00:00+00')
      expect(found?.code).toBe('default-too-large')
      expect(found?.message).toContain('they may come in too soon for that')
      expect(found?.next).toContain(
        `Raise createAheadCount: a partition beside so large a DEFAULT is made at least ${margin} before its period begins.`,
      )
    },
  )

  it('gets no CHECK where it is too near by the clock of the server when its turn comes', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const partsmith = tight(database)
    const operation = await excluding(partsmith, { before: '2020-01-01T00:00:00Z' })
    const { server } = await partsmith.metadata.readTree(operation.parent)
    await expect(partsmith.repo.createPartition(operation, { server })).rejects.toThrow(
      'cannot create public.events__2026_04: 2026-04-01 00:00:00+00 is too near by now for inserts from there on to be refused by public.rest',
    )
    expect(await exclusions(database)).toBe(0)
    expect(await database.sql(`SELECT FROM pg_class WHERE relname = 'events__2026_04'`)).toHaveLength(0)
  })

  it('is taken again where the validation does not end in time', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const partsmith = tight(database)
    const { server } = await partsmith.metadata.readTree({ schema: 'public', name: 'events' })
    await database.sql(`
      CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_query() LIKE '%VALIDATE CONSTRAINT%' THEN PERFORM pg_sleep(60); END IF; END $$;
      CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION slow();`)
    const soon = await database.sql(
      `SELECT to_char((clock_timestamp() + '2 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at`,
    )
    const operation = await excluding(partsmith, { before: String(soon[0]?.['at']) })
    const began = performance.now()
    await expect(partsmith.repo.createPartition(operation, { server })).rejects.toThrow(
      'a statement was cancelled',
    )
    expect(performance.now() - began).toBeLessThan(20_000)
    expect(await exclusions(database)).toBe(0)
  })

  it('is the one that is said to be refused, and no other is excluded while its CHECK is on', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const reader = await database.pool.connect()
    const sent: string[] = []
    const partsmith = createPartsmith({
      // Somebody begins to read DEFAULT after the first range was excluded.
      pool: observedClient(fromPg(database.pool), {
        beforeSending: async ({ text }) => {
          sent.push(text)
          if (text.includes('VALIDATE')) await reader.query('BEGIN; SELECT FROM rest LIMIT 1')
        },
      }),
      lockTimeoutMs: 1,
      giveUpAfterMs: 200,
    })
    try {
      const wanted = { ...config, createAheadCount: 4 }
      const result = await partsmith.maintainer.runMaintenanceSafe(wanted, { now })
      expect(result.operations).toMatchObject([
        { partition: { name: 'events__2026_04' }, status: 'failed' },
        {
          partition: { name: 'events__2026_05' },
          status: 'not-run',
          message: 'the CHECK for another range is still on DEFAULT',
        },
        { partition: { name: 'events__2026_06' }, status: 'not-run' },
      ])
      expect(result.issues).toHaveLength(1)
      expect(result.issues[0]?.message).toContain(
        'inserts of 2026-04-01 00:00:00+00 to 2026-05-01 00:00:00+00 fail with SQLSTATE 23514 until it is. Those from before 2026-04-01 00:00:00+00 do not.',
      )
      expect(sent.filter((text) => text.includes('ADD CONSTRAINT'))).toHaveLength(1)
      expect(await exclusions(database)).toBe(1)
    } finally {
      reader.release(true)
    }
  })

  it('is left to the run that excluded it by one that finds its CHECK', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    const partsmith = tight(database)
    const operation = await excluding(partsmith)
    const { server } = await partsmith.metadata.readTree(operation.parent)
    await database.sql(
      `ALTER TABLE rest ADD CONSTRAINT pg_partsmith_excluded CHECK (NOT (at >= '2026-05-01' AND at < '2026-06-01')) NOT VALID`,
    )
    await expect(partsmith.repo.createPartition(operation, { server, now: operationNow })).rejects.toThrow(
      'public.rest has the CHECK pg_partsmith_excluded already',
    )
    expect(await exclusions(database)).toBe(1)
  })

  it('is counted as readmitted, and not said to be refused by the run that has taken the CHECK off', async () => {
    await using database = await createDatabase(major)
    await database.sql(filled)
    await database.sql(
      `ALTER TABLE rest ADD CONSTRAINT pg_partsmith_excluded CHECK (NOT (at >= '2026-04-01' AND at < '2026-05-01')) NOT VALID`,
    )
    const partsmith = tight(database)
    const result = await partsmith.maintain({ ...config, createAheadCount: 1 }, { now })
    expect(result.operations).toMatchObject([{ kind: 'readmit', status: 'done' }])
    expect(result.findings.map(({ code }) => code)).toEqual(['rows-astray-in-default'])
    expect(result.plan?.findings.map(({ code }) => code)).toEqual([
      'range-excluded',
      'rows-astray-in-default',
    ])
    expect(summarizeRuns([result])).toBe('Readmitted 1.')
  })
})

/** What is done for the period that begins with April. */
function aprils({ operations }: MaintenancePlan): Operation | undefined {
  return operations.find(
    (operation) => 'range' in operation && operation.range?.from === '2026-04-01 00:00:00+00',
  )
}

const operationNow = Instant.from(now)

async function excluding(
  partsmith: Partsmith,
  excludesFromDefault?: CreateOperation['excludesFromDefault'],
): Promise<CreateOperation> {
  const [operation] = (await partsmith.plan(config, { now })).operations
  if (operation?.kind !== 'create' || !operation.excludesFromDefault) throw new Error('Nothing is excluded.')
  return { ...operation, ...(excludesFromDefault && { excludesFromDefault }) }
}
