import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type {
  Partsmith,
  PartitionEvent,
  PartitionLifecycleHooks,
  PartsmithOptions,
  TablePartitionOptions,
} from '../../src/index.ts'
import {
  BasePartitionLifecycleHooks,
  createPartsmith,
  PartitionLifecycleService,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
} from '../../src/index.ts'
import { CrashSite } from '../support/crash-world.ts'
import { crashScenarios } from '../support/crash-scenarios.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, majors } from '../support/database.ts'
import { recordingLogger } from '../support/recording-logger.ts'

const now = '2026-03-15T12:00:00Z'
const wanted: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 2,
  retentionCount: 1,
}
const given = `
CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');
CREATE TABLE old PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
INSERT INTO events VALUES (5, '2026-01-10'), (6, '2026-01-11'); ANALYZE;`
const allPhases = [
  'beforeCreate',
  'afterCreate',
  'beforeDetach',
  'afterDetach',
  'beforeDrop',
  'afterDrop',
] as const

const refuse = (): never => {
  throw new Error('a trap')
}

/** Hooks that note whom they were called for. */
const noting = (notes: string[], name = ''): PartitionLifecycleHooks =>
  Object.fromEntries(
    allPhases.map((phase) => [
      phase,
      ({ partitionName }: PartitionEvent) => void notes.push(`${name}${phase} ${partitionName}`),
    ]),
  )

/** When and with what a hook is called is no matter of the server's version. */
describe.each([...new Set([majors[0], majors.at(-1)])])('hooks (PostgreSQL %i)', (major) => {
  let database: TestDatabase
  beforeEach(async () => {
    if (major === undefined) throw new Error('There is no server.')
    database = await createDatabase(major)
    await database.sql(given)
  })
  afterEach(() => database.drop())

  const partsmithWith = (
    hooks: readonly PartitionLifecycleHooks[],
    options: Omit<PartsmithOptions, 'pool' | 'hooks'> = {},
  ): Partsmith => createPartsmith({ pool: database.pool, hooks, ...options })

  describe('that throw what is no error', () => {
    const traps = Object.fromEntries(Reflect.ownKeys(Reflect).map((name) => [name, refuse]))
    it.each([
      ['a Proxy whose every trap throws', new Proxy({}, traps), 'something was thrown that cannot be read'],
      ['an error with traps for a cause', new Error('why', { cause: new Proxy({}, traps) }), 'why'],
      ['an object that cannot be text', { toString: refuse, valueOf: refuse }, 'an error without a message'],
      ['an object without a prototype', Object.create(null), 'an error without a message'],
      ['null', null, 'null was thrown'],
      ['undefined', undefined, 'undefined was thrown'],
      ['a symbol', Symbol('s'), 'Symbol(s)'],
      ['a text', 'not today', 'not today'],
    ])('%s: refuse before it, warn after it, and end no run', async (_, thrown, text) => {
      const throwing = (...phases: readonly string[]): PartitionLifecycleHooks =>
        Object.fromEntries(phases.map((phase) => [phase, () => Promise.reject(thrown)]))
      const refused = await partsmithWith([throwing('beforeCreate')]).maintainer.runMaintenanceSafe(wanted, {
        now,
      })
      expect(refused).toMatchObject({ success: false, createdCount: 0, detachedCount: 1, droppedCount: 1 })
      expect(refused.issues).toMatchObject([{ step: 'hook', code: 'refused-by-hook' }])
      expect(refused.issues[0]?.message).toContain(`refused by hook: ${text}. Nothing was changed`)
      const warned = await partsmithWith([throwing('afterCreate')]).maintainer.runMaintenanceSafe(wanted, {
        now,
      })
      expect(warned).toMatchObject({ success: true, createdCount: 1 })
      expect(warned.issues[0]?.message).toContain(`: ${text}. The operation itself is done.`)
    })
  })

  it('are called once for each partition, in the order of its life, and never while planning', async () => {
    const notes: string[] = []
    const partsmith = partsmithWith([noting(notes)])
    const plan = await partsmith.plan(wanted, { now })
    await partsmith.inspect(wanted, { now })
    await partsmith.service.renderSql(wanted, plan, { now })
    expect(notes).toEqual([])
    await partsmith.apply(wanted, plan, { now })
    expect(notes).toEqual([
      'beforeCreate events__2026_04',
      'afterCreate events__2026_04',
      'beforeDetach old',
      'afterDetach old',
      'beforeDrop old',
      'afterDrop old',
    ])
    await partsmith.maintain(wanted, { now })
    expect(notes).toHaveLength(6)
  })

  it('are told what the operation is about: reason, bounds, identity, and what is there', async () => {
    const events = new Map<string, PartitionEvent>()
    const existed = new Map<string, unknown>()
    const hooks = Object.fromEntries(
      allPhases.map((phase) => [
        phase,
        async (event: PartitionEvent) => {
          events.set(phase, event)
          const { rows } = await event.query(
            `SELECT c.oid::text, c.relispartition::text AS attached FROM pg_class c WHERE c.relname = $1`,
            [event.partitionName],
          )
          existed.set(phase, rows[0] ?? 'not there')
        },
      ]),
    )
    await partsmithWith([hooks]).maintain(wanted, { now })

    const april = { fromValue: '2026-04-01 00:00:00+00', toValue: '2026-05-01 00:00:00+00' }
    const january = { fromValue: '2026-01-01 00:00:00+00', toValue: '2026-02-01 00:00:00+00' }
    for (const [phase, event] of events) {
      expect(event).toMatchObject({
        phase,
        config: { tableName: 'events', granularity: 'month' },
        table: { schema: 'public', name: 'events' },
        ...(phase.endsWith('Create') ? april : january),
      })
      expect(event.signal.aborted).toBe(false)
      expect(event.partition.name).toBe(event.partitionName)
      expect(event.reason).toBe(event.operation.reason)
      expect(event.partition.period?.start.toString()).toBe(
        phase.endsWith('Create') ? '2026-04-01T00:00:00Z' : '2026-01-01T00:00:00Z',
      )
    }
    const seen = (phase: (typeof allPhases)[number]): unknown => {
      const event = events.get(phase)
      return { kind: event?.operation.kind, reason: event?.reason.code, state: event?.partition.state }
    }
    expect(allPhases.map(seen)).toEqual([
      { kind: 'create', reason: 'create-ahead', state: 'missing' },
      { kind: 'create', reason: 'create-ahead', state: 'future' },
      { kind: 'detach', reason: 'retention-expired', state: 'expired' },
      { kind: 'detach', reason: 'retention-expired', state: 'detached' },
      { kind: 'drop', reason: 'follows-detach', state: 'detached' },
      { kind: 'drop', reason: 'follows-detach', state: 'detached' },
    ])
    const oids = allPhases.map((phase) => events.get(phase)?.oid)
    const [noOid, created, ...old] = oids
    expect(noOid).toBeUndefined()
    expect(created).toMatch(/^\d+$/)
    expect(new Set(old).size).toBe(1)
    expect(events.get('beforeDrop')?.partition).toMatchObject({ rowEstimate: 2, managed: true })
    expect(allPhases.map((phase) => existed.get(phase))).toEqual([
      'not there',
      { oid: created, attached: 'true' },
      { oid: old[0], attached: 'true' },
      { oid: old[0], attached: 'false' },
      { oid: old[0], attached: 'false' },
      'not there',
    ])
  })

  it('of a detach that was begun earlier are told its bounds when it is finished', async () => {
    const scenario = crashScenarios.find(({ name }) => name === 'finalize')
    if (!scenario) throw new Error('There is no such scenario.')
    await new CrashSite(database).visit(scenario, async ({ schema, client }) => {
      const events: PartitionEvent[] = []
      const note = (event: PartitionEvent): void => void events.push(event)
      const partsmith = createPartsmith({
        pool: client,
        hooks: [{ beforeDetach: note, afterDetach: note }],
      })
      await partsmith.maintain({ ...scenario.config, schema }, { now })
      expect(events).toMatchObject([
        {
          phase: 'afterDetach',
          fromValue: '2026-01-01 00:00:00+00',
          toValue: '2026-02-01 00:00:00+00',
          operation: { kind: 'finalize' },
          reason: { code: 'detach-pending' },
          partition: { state: 'detached' },
        },
      ])
    })
  })

  it('are none for attaching again, for taking a marker away, and for what was never attached', async () => {
    for (const scenario of crashScenarios) {
      const [operation] = scenario.operations
      if (!operation || !/^(attach|unmark|drop events__2026_04)/.test(operation)) continue
      await new CrashSite(database).visit(scenario, async ({ schema, client }) => {
        const notes: string[] = []
        await createPartsmith({ pool: client, hooks: [noting(notes)] }).maintain(
          { ...scenario.config, schema },
          { now },
        )
        expect(notes.filter((note) => !note.includes('Create'))).toEqual([])
      })
    }
  })

  it('in a list are called in its order, at every point', async () => {
    const notes: string[] = []
    class Mine extends BasePartitionLifecycleHooks {
      override async beforeDrop({ partitionName }: PartitionEvent): Promise<void> {
        notes.push(`class beforeDrop ${partitionName}`)
      }
    }
    await partsmithWith([noting(notes, 'first '), new Mine(), noting(notes, 'second ')]).maintain(wanted, {
      now,
    })
    expect(notes.filter((note) => note.endsWith('Drop old'))).toEqual([
      'first beforeDrop old',
      'class beforeDrop old',
      'second beforeDrop old',
      'first afterDrop old',
      'second afterDrop old',
    ])
    expect(notes).toHaveLength(13)
  })

  it('with a name that is none of the six are refused when the service is built', () => {
    const misspelled: object = { beforeRename: () => undefined }
    expect(() => partsmithWith([misspelled])).toThrow(
      'There is no hook beforeRename. The hooks are beforeCreate,',
    )
  })

  describe('before an operation', () => {
    it('refuse it by throwing: the others go on, later hooks are not called, and the next run tries again', async () => {
      const notes: string[] = []
      let veto = true
      const vetoing: PartitionLifecycleHooks = {
        beforeCreate: () => {
          if (veto) throw new Error('the month is not paid for')
        },
      }
      const partsmith = partsmithWith([vetoing, noting(notes)])
      const result = await partsmith.maintain(wanted, { now })
      expect(result).toMatchObject({
        success: false,
        createdCount: 0,
        detachedCount: 1,
        droppedCount: 1,
        issues: [
          {
            step: 'hook',
            severity: 'error',
            code: 'refused-by-hook',
            partition: { name: 'events__2026_04' },
          },
        ],
        operations: [{ kind: 'create', status: 'refused' }, { status: 'done' }, { status: 'done' }],
      })
      expect(result.error).toBeUndefined()
      expect(result.issues[0]?.message).toBe(
        'public.events: beforeCreate of create public.events__2026_04: refused by hook: the month is not paid for. Nothing was changed; the next run tries again.',
      )
      expect(notes.some((note) => note.includes('Create'))).toBe(false)
      veto = false
      expect(await partsmith.maintain(wanted, { now })).toMatchObject({ success: true, createdCount: 1 })
    })

    it('a detach refuse the drop with it', async () => {
      const notes: string[] = []
      const vetoing = {
        beforeDetach: () => {
          throw new Error('not yet')
        },
      }
      const result = await partsmithWith([vetoing, noting(notes)]).maintain(wanted, { now })
      expect(result.operations.map(({ kind, status }) => `${kind} ${status}`)).toEqual([
        'create done',
        'detach refused',
        'drop not-run',
      ])
      expect(await database.sql(`SELECT count(*)::int AS n FROM events`)).toEqual([{ n: 2 }])
      expect(notes.filter((note) => note.endsWith('old'))).toEqual([])
    })

    it('a drop are the last chance to read the rows', async () => {
      const archived: unknown[] = []
      const archiving: PartitionLifecycleHooks = {
        beforeDrop: async ({ query, partition }) => {
          const { rows } = await query(`SELECT id FROM "${partition.schema}"."${partition.name}" ORDER BY id`)
          archived.push(...rows)
        },
      }
      await partsmithWith([archiving]).maintain(wanted, { now })
      expect(archived).toEqual([{ id: '5' }, { id: '6' }])
    })
  })

  describe('after an operation', () => {
    it('are reported when they throw, and change neither the success nor the rest of the run', async () => {
      const notes: string[] = []
      const logger = recordingLogger()
      const failing = {
        afterDetach: () => {
          throw new Error('nobody is listening')
        },
      }
      const result = await partsmithWith([failing, noting(notes)], { logger }).maintain(wanted, { now })
      expect(result).toMatchObject({ success: true, createdCount: 1, detachedCount: 1, droppedCount: 1 })
      const message =
        'public.events: afterDetach failed after detach public.old: nobody is listening. The operation itself is done.'
      expect(result.issues).toEqual([
        { step: 'hook', severity: 'warning', message, partition: { schema: 'public', name: 'old' } },
      ])
      expect(logger.lines('warn')).toContain(message)
      expect(notes).toContain('afterDetach old')
    })
  })

  it('run outside of any transaction, so that a slow one holds no lock of a table', async () => {
    const locks: unknown[] = []
    const looking: PartitionLifecycleHooks = Object.fromEntries(
      allPhases.map((phase) => [
        phase,
        async () => {
          locks.push(
            ...(await database.sql(
              `SELECT l.relation::regclass, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
               WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                 AND l.pid <> pg_backend_pid() AND c.relnamespace = 'public'::regnamespace`,
            )),
          )
        },
      ]),
    )
    await partsmithWith([looking]).maintain(wanted, { now })
    expect(locks).toEqual([])
  })

  it('after an operation are none when somebody else had done it first', async () => {
    const notes: string[] = []
    const other = createPartsmith({ pool: database.pool, lockPrefix: 'other' })
    const overtaken = { beforeCreate: async () => void (await other.maintain(wanted, { now })) }
    const result = await partsmithWith([overtaken, noting(notes)]).maintain(wanted, { now })
    expect(result).toMatchObject({ success: true, createdCount: 0, detachedCount: 0, droppedCount: 0 })
    expect(result.operations.map(({ status }) => status)).toEqual(['raced', 'raced', 'raced'])
    expect(notes).toEqual(['beforeCreate events__2026_04', 'beforeDetach old', 'beforeDrop old'])
  })

  it('of a service with a repository of its own cannot ask, and are told why', async () => {
    const repo = new PostgresPartitionRepository(database.pool)
    const service = new PartitionLifecycleService({
      repo: {
        markerPrefix: repo.markerPrefix,
        ddlTimezone: repo.ddlTimezone,
        createPartition: (operation, run) => repo.createPartition(operation, run),
        attachPartition: (operation, run) => repo.attachPartition(operation, run),
        finalizeDetach: (operation, run) => repo.finalizeDetach(operation, run),
        detachPartition: (operation, run) => repo.detachPartition(operation, run),
        dropPartition: (operation, run) => repo.dropPartition(operation, run),
        unmarkPartition: (operation, run) => repo.unmarkPartition(operation, run),
        readmitRange: (operation, run) => repo.readmitRange(operation, run),
        adoptPartition: (adoption, run) => repo.adoptPartition(adoption, run),
        renderOperation: (operation, server) => repo.renderOperation(operation, server),
      },
      metadata: new PostgresMetadataProvider(database.pool),
      locks: new PostgresAdvisoryLockManager(database.pool),
      hooks: [{ beforeCreate: async ({ query }) => void (await query('SELECT 1')) }],
    })
    const result = await service.maintain(wanted, { now })
    expect(result.issues[0]?.message).toContain('a repository of your own, which has no client to read with')
    expect(result).toMatchObject({ createdCount: 0, detachedCount: 1, droppedCount: 1 })
  })
})
