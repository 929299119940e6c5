import { Pool } from 'pg'
import { describe, expect, it, vi } from 'vitest'

import type {
  AdvisoryLockOptions,
  ApplyOptions,
  CommandHookVectors,
  FleetOptions,
  FleetTarget,
  MissingGrantsOptions,
  PartitionLifecycleServiceParts,
  PartsmithOptions,
  PlanOptions,
  PostgresMetadataProviderOptions,
  PostgresPartitionRepositoryOptions,
  RedisLockOptions,
} from '../../../src/index.ts'
import * as api from '../../../src/index.ts'
import { type Call, checkOptions } from '../../../src/policy/call-options.ts'

const config = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const
const table = { schema: 'public', name: 'events' }

/** A pool that must not be asked for a connection: what is wrong is said before. */
function untouched(): Pool {
  const pool = new Pool()
  vi.spyOn(pool, 'connect').mockImplementation(() => {
    throw new Error('It went to the server.')
  })
  return pool
}

type Named<Options> = Readonly<Record<keyof Options, true>>

const look: Named<PlanOptions> = { signal: true, now: true }
const run: Named<ApplyOptions> = { ...look, allowDestructive: true, continueOnError: true }
const metadata: Named<PostgresMetadataProviderOptions> = { markerPrefix: true }
const repository: Named<PostgresPartitionRepositoryOptions> = {
  markerPrefix: true,
  ddlTimezone: true,
  lockTimeoutMs: true,
  statementTimeoutMs: true,
  giveUpAfterMs: true,
  dropAllowUnmanaged: true,
}
const service: Named<PartitionLifecycleServiceParts> = {
  repo: true,
  metadata: true,
  locks: true,
  periodCalculator: true,
  hooks: true,
  hookTimeoutMs: true,
  logger: true,
}
const createPartsmith: Named<PartsmithOptions> = {
  pool: true,
  ...repository,
  locks: true,
  periodCalculator: true,
  hooks: true,
  hookTimeoutMs: true,
  logger: true,
  lockPrefix: true,
}
const advisoryLock: Named<AdvisoryLockOptions> = { prefix: true, logger: true }
const redisLock: Named<RedisLockOptions> = { prefix: true, ttlMs: true, logger: true }
const commandHooks: Named<CommandHookVectors> = {
  beforeCreate: true,
  afterCreate: true,
  beforeDetach: true,
  afterDetach: true,
  beforeDrop: true,
  afterDrop: true,
}
const fleet: Named<FleetOptions> = { ...run, concurrency: true, onBegin: true, onEnd: true }
const target: Named<FleetTarget> = { config: true, plan: true, allowDestructive: true }
const job: Named<Parameters<typeof api.maintainPartitions>[0]> = {
  maintainer: true,
  config: true,
  options: true,
}
const grants: Named<MissingGrantsOptions> = { role: true, markerPrefix: true, signal: true }
const named: readonly (readonly [Call, Readonly<Record<string, true>>])[] = [
  ['createPartsmith', createPartsmith],
  ['service', service],
  ['repository', repository],
  ['metadata', metadata],
  ['advisoryLock', advisoryLock],
  ['redisLock', redisLock],
  ['commandHooks', commandHooks],
  ['look', look],
  ['stop', { signal: true }],
  ['run', run],
  ['fleet', fleet],
  ['target', target],
  ['job', job],
  ['grants', grants],
]

describe('the options of a call', () => {
  it.each(named)('of %s are those that the type names', (call, options) => {
    const known = `the options are ${Object.keys(options).join(', ')}.`
    expect(() => checkOptions(call, { zzzzzzzz: 1 })).toThrow(known)
  })

  it('are told with all that is wrong at once, and with what was probably meant', () => {
    const wrong = { allowDestructiv: false, dryRun: true, continueOnError: 'no', lockTimeoutMs: 5 }
    expect(() => checkOptions('run', wrong)).toThrow(
      expect.objectContaining({
        name: 'InvalidPartitionConfigError',
        message: [
          'The options of the call have 4 problems:',
          '  continueOnError: Expected true or false, got the text "no".',
          '  allowDestructiv: There is no option "allowDestructiv" here; did you mean "allowDestructive"?',
          '  dryRun: There is no option "dryRun" here; call plan, which decides and changes nothing.',
          '  lockTimeoutMs: There is no option "lockTimeoutMs" here; it is given to createPartsmith.',
          'Nothing was changed.',
        ].join('\n'),
      }),
    )
  })

  it.each(['false', 'no', '', 0, null])('take no %j for a wish about destruction', (allowDestructive) => {
    expect(() => checkOptions('run', { allowDestructive })).toThrow(
      /allowDestructive: Expected true or false/,
    )
    expect(() => checkOptions('target', { config, allowDestructive })).toThrow(/allowDestructive: Expected/)
  })

  it('may be undefined, inherited, behind getters, and of a class', () => {
    class Settings {
      get allowDestructive(): boolean {
        return false
      }
    }
    for (const options of [
      {},
      { allowDestructive: undefined, signal: undefined, now: undefined },
      new Settings(),
    ])
      expect(() => checkOptions('run', options)).not.toThrow()
    expect(() => checkOptions('run', Object.create({ allowDestructiv: false }))).toThrow(/did you mean/)
  })

  it('may be objects with more members than are used', () => {
    class Hooks extends api.BasePartitionLifecycleHooks {
      readonly sent: string[] = []
    }
    const pool = untouched()
    const logger = Object.assign(Object.create(console), { level: 'info' })
    const locks = Object.assign(new api.PostgresAdvisoryLockManager(pool), { extra: 1 })
    expect(() => api.createPartsmith({ pool, logger, locks, hooks: [new Hooks()] })).not.toThrow()
  })

  it('can be a moment in every form that is one', () => {
    for (const now of [new Date(), '2026-01-01T00:00:00Z', { epochNanoseconds: 0n }])
      expect(() => checkOptions('look', { now })).not.toThrow()
    for (const now of ['yesterday', 5, null, new Date(Number.NaN)])
      expect(() => checkOptions('look', { now })).toThrow(/now: /)
  })
})

describe('every public call', () => {
  const { service, maintainer, ...partsmith } = api.createPartsmith({ pool: untouched() })
  const plan = Object({ operations: [] })
  const wrong = Object({ sinal: 1 })
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    inspect: () => partsmith.inspect(config, wrong),
    plan: () => partsmith.plan(config, wrong),
    inspectFleet: () => partsmith.inspectFleet([config], wrong),
    planFleet: () => partsmith.planFleet([config], wrong),
    apply: () => partsmith.apply(config, plan, wrong),
    maintain: () => partsmith.maintain(config, wrong),
    ensurePartition: () => partsmith.ensurePartition(config, new Date(), wrong),
    adoptPartition: () => partsmith.adoptPartition(config, 'a', wrong),
    reattachPartition: () => partsmith.reattachPartition(config, 'a', wrong),
    'service.run': () => service.run(config, wrong),
    'service.runPlan': () => service.runPlan(config, plan, wrong),
    'service.runFleet': () => service.runFleet([{ config }], wrong),
    'service.blockersOf': () => service.blockersOf([], wrong),
    'service.renderSql': () => service.renderSql(config, plan, wrong),
    'maintainer.runMaintenance': () => maintainer.runMaintenance(config, wrong),
    findMissingGrants: () => api.findMissingGrants(untouched(), [{ table, retires: false }], wrong),
    createPartsmith: async () => api.createPartsmith({ pool: new Pool(), ...wrong }),
    PartitionLifecycleService: async () =>
      new api.PartitionLifecycleService({
        repo: partsmith.repo,
        metadata: partsmith.metadata,
        locks: partsmith.locks,
        ...wrong,
      }),
    PostgresPartitionRepository: async () => new api.PostgresPartitionRepository(new Pool(), wrong),
    PostgresMetadataProvider: async () => new api.PostgresMetadataProvider(new Pool(), wrong),
    PostgresAdvisoryLockManager: async () => new api.PostgresAdvisoryLockManager(new Pool(), wrong),
    RedisDistributedLockManager: async () => new api.RedisDistributedLockManager(async () => 1, wrong),
    commandHooks: async () => api.commandHooks(wrong),
  }

  it.each(Object.entries(calls))('%s refuses an option that does not exist', async (_, call) => {
    await expect(call()).rejects.toMatchObject({
      name: 'InvalidPartitionConfigError',
      code: 'invalid-config',
      message: expect.stringMatching(/There is no option "sinal" here.*Nothing was changed\.$/),
      problems: [{ path: ['sinal'] }],
    })
  })

  it('that does not throw gives it as its result', async () => {
    const refused = {
      table,
      success: false,
      errorCode: 'invalid-config',
      issues: [{ step: 'config', code: 'invalid-config' }],
      error: expect.stringMatching(/"allowDestructiv".*did you mean "allowDestructive"/s),
    }
    const options = Object({ allowDestructiv: false, dryRun: true })
    expect(await maintainer.runMaintenanceSafe(config, options)).toMatchObject(refused)
    expect(await api.maintainPartitions({ maintainer, config, options })).toMatchObject(refused)
    expect(await partsmith.maintainFleet([{ config }], options)).toMatchObject([refused])
    const job = Object({ maintainer, config, option: { allowDestructive: false } })
    expect((await api.maintainPartitions(job)).error).toContain('did you mean "options"')
    expect(await api.maintainPartitions(Object(null))).toMatchObject({ success: false })
  })

  it('names the casing that was meant', () => {
    const options = Object({ pool: new Pool(), lockTimeoutMS: 5, allowDestructive: false })
    expect(() => api.createPartsmith(options)).toThrow(
      /lockTimeoutMS: .* did you mean "lockTimeoutMs"\?\n.*allowDestructive: .*; it is given with a call, such as maintain\./,
    )
  })
})

it('a target that cannot be used has its own outcome, and the others go on', async () => {
  const { maintainFleet, service } = api.createPartsmith({ pool: untouched() })
  const throwing = {
    get config(): never {
      throw new Error('not to be read')
    },
  }
  const targets = [Object({ config, allowDestructiv: false }), Object(null), throwing, { config }]
  targets[1] = null
  const results = await maintainFleet(targets)
  expect(results.map(({ error }) => error)).toEqual([
    expect.stringContaining('did you mean "allowDestructive"'),
    expect.stringContaining('Expected an object of options, got nothing (null).'),
    expect.stringContaining('not to be read'),
    expect.stringContaining('It went to the server.'),
  ])
  expect(results[0]?.table).toEqual(table)
  expect(await service.runFleet(targets.slice(0, 3))).toHaveLength(3)
})
