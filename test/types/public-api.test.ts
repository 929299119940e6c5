/** Every name of the public API, by its own row: that it is exported, what kind of thing it is, and how it is used. */

import { describe, expect, expectTypeOf, it } from 'vitest'

import * as api from '../../src/index.ts'
import type {
  ApplyOptions,
  DatabaseClient,
  LockLease,
  LockManager,
  Logger,
  MaintenanceIssue,
  MaintenanceIssueStep,
  MaintenancePlan,
  MaintenanceResult,
  PartitionEvent,
  PartitionInfo,
  PartitionLifecycleHooks,
  PartitionLifecycleServiceParts,
  PartitionMetadataProvider,
  PartitionRepository,
  Period,
  PeriodCalculator,
  TableInspection,
  TableName,
  TablePartitionOptions,
} from '../../src/index.ts'

describe('entities', () => {
  it('Period has a start and an end', () => {
    expectTypeOf<Period>().toEqualTypeOf<{ readonly start: api.Instant; readonly end: api.Instant }>()
  })

  it('PartitionInfo tells name, state and period of a partition', () => {
    expectTypeOf<PartitionInfo['name']>().toBeString()
    expectTypeOf<PartitionInfo['period']>().toEqualTypeOf<Period | undefined>()
    expectTypeOf<PartitionInfo['state']>()
      .extract<'current' | 'expired'>()
      .toEqualTypeOf<'current' | 'expired'>()
  })

  it('TablePartitionConfig is made from options and frozen', () => {
    const config = new api.TablePartitionConfig({
      tableName: 'events',
      partitionColumn: 'at',
      granularity: 'month',
    })
    expect(config.schema).toBe('public')
    expect(config.createAheadCount).toBe(3)
    expect(config.retentionCount).toBeUndefined()
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('MaintenanceResult has the counts of the mission', () => {
    expectTypeOf<MaintenanceResult>().toHaveProperty('success').toBeBoolean()
    expectTypeOf<MaintenanceResult>().toHaveProperty('createdCount').toBeNumber()
    expectTypeOf<MaintenanceResult>().toHaveProperty('detachedCount').toBeNumber()
    expectTypeOf<MaintenanceResult>().toHaveProperty('droppedCount').toBeNumber()
    expectTypeOf<MaintenanceResult['error']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<MaintenanceResult['issues']>().toEqualTypeOf<readonly MaintenanceIssue[]>()
  })

  it('MaintenanceIssue names its step', () => {
    expectTypeOf<MaintenanceIssue['step']>().toEqualTypeOf<MaintenanceIssueStep>()
    expectTypeOf<'detach'>().toExtend<MaintenanceIssueStep>()
  })

  it('MaintenancePlan and TableInspection are plain data', () => {
    expectTypeOf<MaintenancePlan['operations'][number]['kind']>().toEqualTypeOf<
      'create' | 'attach' | 'finalize' | 'detach' | 'drop' | 'unmark' | 'readmit'
    >()
    expectTypeOf<TableInspection['partitions']>().toEqualTypeOf<readonly PartitionInfo[]>()
  })
})

describe('enumerations are const objects and unions, so both spellings work', () => {
  it('PartitionType', () => {
    expect(api.PartitionType).toEqual({ RANGE: 'range', LIST: 'list', HASH: 'hash' })
    expectTypeOf(api.PartitionType.RANGE).toExtend<api.PartitionType>()
  })

  it('PartitionGranularity', () => {
    expect(Object.values(api.PartitionGranularity)).toEqual([
      'hour',
      'day',
      'week',
      'month',
      'quarter',
      'year',
    ])
    expectTypeOf<'month'>().toExtend<api.PartitionGranularity>()
  })

  it('PartitionStrategy', () => {
    expect(api.PartitionStrategy).toEqual({ TIME_BASED: 'time-based' })
  })

  it('are accepted by the configuration in either spelling', () => {
    const options = {
      tableName: 'events',
      partitionColumn: 'at',
      granularity: api.PartitionGranularity.MONTH,
      partitionType: api.PartitionType.RANGE,
      partitionStrategy: api.PartitionStrategy.TIME_BASED,
    } satisfies TablePartitionOptions
    expect(new api.TablePartitionConfig(options).toJSON()).toEqual(
      new api.TablePartitionConfig({
        tableName: 'events',
        partitionColumn: 'at',
        granularity: 'month',
        partitionType: 'range',
        partitionStrategy: 'time-based',
      }).toJSON(),
    )
  })
})

describe('errors', () => {
  const classes = [
    [api.PartitionAlreadyExistsError, 'partition-already-exists'],
    [api.PartitionNotFoundError, 'partition-not-found'],
    [api.PartitionAttachedError, 'partition-attached'],
    [api.PartitionDetachInProgressError, 'partition-detach-in-progress'],
    [api.PartitionReferencedError, 'partition-referenced'],
    [api.RowsInDefaultError, 'rows-in-default'],
    [api.InvalidPartitionConfigError, 'invalid-config'],
    [api.LockAcquisitionError, 'lock-not-acquired'],
    [api.LockLostError, 'lock-lost'],
    [api.UnmanagedPartitionDropError, 'unmanaged-drop'],
    [api.PlanStaleError, 'plan-stale'],
    [api.PlanMismatchError, 'plan-mismatch'],
    [api.PlanUnreadableError, 'plan-unreadable'],
    [api.HookRefusedError, 'refused-by-hook'],
    [api.ServerUnsupportedError, 'server-unsupported'],
    [api.ConnectionFailedError, 'connection-failed'],
    [api.RunAbortedError, 'aborted'],
  ] as const

  it.each(classes)('%o is a PartitionError with a stable code', (ErrorClass, code) => {
    const cause = new Error('the reason')
    const error = new ErrorClass('A sentence.', { cause })
    expect(error).toBeInstanceOf(api.PartitionError)
    expect(error).toMatchObject({ code, name: ErrorClass.name, message: 'A sentence.', cause })
  })

  it('StatementFailedError keeps the SQLSTATE', () => {
    const error = new api.StatementFailedError('A sentence.', { code: 'lock-timeout', sqlState: '55P03' })
    expect(error).toBeInstanceOf(api.PartitionError)
    expect(error).toMatchObject({ code: 'lock-timeout', sqlState: '55P03' })
  })
})

describe('calendars', () => {
  it.each([
    [api.HourPeriodCalculator, 'events__2024_01_15_08'],
    [api.DayPeriodCalculator, 'events__2024_01_15'],
    [api.WeekPeriodCalculator, 'events__2024_w03'],
    [api.MonthPeriodCalculator, 'events__2024_01'],
    [api.QuarterPeriodCalculator, 'events__2024_q1'],
    [api.YearPeriodCalculator, 'events__2024'],
  ] as const)('%o is a PeriodCalculator', (Calculator, name) => {
    const calculator: PeriodCalculator = new Calculator()
    expect(calculator).toBeInstanceOf(api.BasePeriodCalculator)
    const period = calculator.currentPeriod(api.Instant.from('2024-01-15T08:30:00Z'))
    expect(calculator.formatPartitionName('events', period)).toBe(name)
    expect(calculator.parsePartitionName(name)).toEqual(period)
    expect(calculator.getBoundaries(period)).toHaveLength(2)
  })
})

describe('parts', () => {
  it('the contracts can be implemented by a user', () => {
    expectTypeOf<api.PostgresPartitionRepository>().toExtend<PartitionRepository>()
    expectTypeOf<api.PostgresMetadataProvider>().toExtend<PartitionMetadataProvider>()
    expectTypeOf<api.PostgresAdvisoryLockManager>().toExtend<LockManager>()
    expectTypeOf<api.RedisDistributedLockManager>().toExtend<LockManager>()
    expectTypeOf<Awaited<ReturnType<LockManager['acquireLock']>>>().toEqualTypeOf<LockLease>()
    expectTypeOf<typeof console>().toExtend<Logger>()
  })

  it('the service is wired from repo, metadata, locks and optional parts', () => {
    expectTypeOf<PartitionLifecycleServiceParts>().pick<'repo' | 'metadata' | 'locks'>().toEqualTypeOf<{
      readonly repo: PartitionRepository
      readonly metadata: PartitionMetadataProvider
      readonly locks: LockManager
    }>()
    expectTypeOf<api.PartitionLifecycleService>().toHaveProperty('inspect')
    expectTypeOf<api.PartitionLifecycleService>().toHaveProperty('plan')
    expectTypeOf<api.PartitionLifecycleService>().toHaveProperty('apply')
    expectTypeOf<api.PartitionLifecycleService>().toHaveProperty('maintain')
    expectTypeOf<api.PartitionLifecycleService>().toHaveProperty('ensurePartition')
    expectTypeOf<api.PartitionLifecycleService>().toHaveProperty('adoptPartition')
  })

  it('PartitionMaintainer has the throwing and the safe form', () => {
    expectTypeOf<
      api.PartitionMaintainer['runMaintenance']
    >().returns.resolves.toEqualTypeOf<MaintenanceResult>()
    expectTypeOf<
      api.PartitionMaintainer['runMaintenanceSafe']
    >().returns.resolves.toEqualTypeOf<MaintenanceResult>()
    expectTypeOf(api.maintainPartitions).returns.resolves.toEqualTypeOf<MaintenanceResult>()
    expectTypeOf<ApplyOptions['signal']>().toEqualTypeOf<AbortSignal | undefined>()
  })

  it('a fleet is many targets in one run', () => {
    expectTypeOf<api.FleetTarget>().toEqualTypeOf<{
      readonly config: api.ConfigInput
      readonly plan?: MaintenancePlan
      readonly allowDestructive?: boolean
    }>()
    expectTypeOf<api.FleetOptions>().toExtend<ApplyOptions>()
    expectTypeOf<api.FleetOptions['concurrency']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<api.PartitionMaintainer['maintainFleet']>().returns.resolves.toEqualTypeOf<
      readonly MaintenanceResult[]
    >()
    expectTypeOf<api.PartitionLifecycleService['runFleet']>().returns.resolves.toEqualTypeOf<
      readonly api.RunOutcome[]
    >()
    expectTypeOf<api.PartitionLifecycleService['planFleet']>().returns.resolves.toEqualTypeOf<
      readonly api.FleetPlan[]
    >()
    expectTypeOf<api.PartitionLifecycleService['inspectFleet']>().returns.resolves.toEqualTypeOf<
      readonly api.FleetInspection[]
    >()
    expectTypeOf<api.Partsmith['maintainFleet']>().toEqualTypeOf<
      (
        targets: readonly api.FleetTarget[],
        options?: api.FleetOptions,
      ) => Promise<readonly MaintenanceResult[]>
    >()
    // Providers of one table at a time go on working.
    expectTypeOf<PartitionMetadataProvider['readTrees']>().extract<undefined>().toEqualTypeOf<undefined>()
    expectTypeOf<api.TreeReading>().toEqualTypeOf<
      { readonly tree: api.PartitionTree } | { readonly error: unknown }
    >()
    expectTypeOf<api.TakeReading>().toEqualTypeOf<(reading: api.TreeReading, index: number) => void>()
  })

  it('createPartsmith wires everything for a pool', () => {
    expectTypeOf(api.createPartsmith)
      .returns.toHaveProperty('service')
      .toEqualTypeOf<api.PartitionLifecycleService>()
    expectTypeOf(api.createPartsmith)
      .returns.toHaveProperty('maintainer')
      .toEqualTypeOf<api.PartitionMaintainer>()
  })

  it('hooks have the six methods of the mission', () => {
    const hooks: PartitionLifecycleHooks = new api.BasePartitionLifecycleHooks()
    expect(
      ['beforeCreate', 'afterCreate', 'beforeDetach', 'afterDetach', 'beforeDrop', 'afterDrop'].filter(
        (phase) => phase in hooks,
      ),
    ).toHaveLength(6)
    expectTypeOf<PartitionEvent['table']>().toEqualTypeOf<TableName>()
    expectTypeOf<PartitionEvent['signal']>().toEqualTypeOf<AbortSignal>()
  })

  it('adapters give a DatabaseClient', () => {
    expectTypeOf(api.fromPg).returns.toEqualTypeOf<DatabaseClient>()
    expectTypeOf(api.fromPostgresJs).returns.toEqualTypeOf<DatabaseClient>()
    expectTypeOf(api.fromPglite).returns.toEqualTypeOf<DatabaseClient>()
  })
})
