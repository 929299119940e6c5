import type { PeriodCalculator } from '../model/calendar.ts'
import type { InstantLike } from '../model/instant.ts'
import type { TableName } from '../model/table-name.ts'
import type { TableInspection } from '../plan/inspection.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import { checkOptions } from '../policy/call-options.ts'
import type { AdoptedTable } from './adoptable.ts'
import type { ClientSource } from './clients/to-client.ts'
import { toClient } from './clients/to-client.ts'
import type { FleetInspection, FleetOptions, FleetPlan, FleetTarget } from './fleet.ts'
import type { PartitionLifecycleHooks } from './hooks.ts'
import type { LockManager } from './lock.ts'
import { PostgresAdvisoryLockManager } from './locks/advisory.ts'
import type { Logger } from './logger.ts'
import { PartitionMaintainer } from './maintainer.ts'
import { PostgresMetadataProvider } from './postgres-metadata-provider.ts'
import { PostgresPartitionRepository } from './postgres-repository.ts'
import type { MaintenanceResult } from './result.ts'
import type { ApplyOptions, ConfigInput } from './run-outcome.ts'
import type { PlanOptions } from './table-planner.ts'
import { PartitionLifecycleService } from './service.ts'

export interface PartsmithOptions {
  /** A `pg` Pool as it is, or what `fromPostgresJs` and `fromPglite` give. It needs room for three connections. */
  readonly pool: ClientSource
  /** What keeps two maintainers from one table. @default PostgreSQL advisory locks on a connection of the same pool */
  readonly locks?: LockManager
  /** How the advisory locks' keys begin. @default 'pg-partsmith' */
  readonly lockPrefix?: string
  /** How the markers in table comments begin. @default 'pg-partsmith' */
  readonly markerPrefix?: string
  /** The session's TimeZone while partitions are attached and rows are moved; null leaves it as it is. @default 'UTC' */
  readonly ddlTimezone?: string | null
  /** The longest wait for a lock, and behind one. @default 100 */
  readonly lockTimeoutMs?: number
  /** The longest run of one statement. @default 10000 */
  readonly statementTimeoutMs?: number
  /** How long a run tries again for locks of one table that are not free. @default 15000 */
  readonly giveUpAfterMs?: number
  /** Lets a table be dropped that carries no marker. Leave it off. @default false */
  readonly dropAllowUnmanaged?: boolean
  /** The calendar of every table, in place of the one that a table's configuration names. */
  readonly periodCalculator?: PeriodCalculator
  /** Your code before and after each change. */
  readonly hooks?: readonly PartitionLifecycleHooks[]
  /** The longest one hook may take. @default 300000 */
  readonly hookTimeoutMs?: number
  /** What is told of a run while it goes on. @default silent */
  readonly logger?: Logger
}

/** All parts wired, each shared setting given once. */
export interface Partsmith {
  readonly service: PartitionLifecycleService
  readonly maintainer: PartitionMaintainer
  readonly repo: PostgresPartitionRepository
  readonly metadata: PostgresMetadataProvider
  readonly locks: LockManager
  readonly inspect: (config: ConfigInput, options?: PlanOptions) => Promise<TableInspection>
  readonly plan: (config: ConfigInput, options?: PlanOptions) => Promise<MaintenancePlan>
  readonly apply: (
    config: ConfigInput,
    plan: MaintenancePlan,
    options?: ApplyOptions,
  ) => Promise<MaintenanceResult>
  readonly maintain: (config: ConfigInput, options?: ApplyOptions) => Promise<MaintenanceResult>
  readonly inspectFleet: (
    configs: readonly ConfigInput[],
    options?: PlanOptions,
  ) => Promise<readonly FleetInspection[]>
  readonly planFleet: (
    configs: readonly ConfigInput[],
    options?: PlanOptions,
  ) => Promise<readonly FleetPlan[]>
  readonly maintainFleet: (
    targets: readonly FleetTarget[],
    options?: FleetOptions,
  ) => Promise<readonly MaintenanceResult[]>
  readonly ensurePartition: (
    config: ConfigInput,
    at: InstantLike,
    options?: PlanOptions,
  ) => Promise<MaintenanceResult>
  readonly adoptPartition: (
    config: ConfigInput,
    table: string | TableName,
    options?: PlanOptions,
  ) => Promise<AdoptedTable>
  readonly reattachPartition: (
    config: ConfigInput,
    table: string | TableName,
    options?: PlanOptions,
  ) => Promise<MaintenanceResult>
}

/** Wires repository, metadata provider, locks and service for one pool. Never closes the pool. */
export function createPartsmith(options: PartsmithOptions): Partsmith {
  checkOptions('createPartsmith', options)
  const client = toClient(options.pool)
  const { logger } = options
  const logging = logger && { logger }
  const marker = options.markerPrefix !== undefined && { markerPrefix: options.markerPrefix }
  const repo = new PostgresPartitionRepository(client, {
    ...marker,
    ...(options.ddlTimezone !== undefined && { ddlTimezone: options.ddlTimezone }),
    ...(options.lockTimeoutMs !== undefined && { lockTimeoutMs: options.lockTimeoutMs }),
    ...(options.statementTimeoutMs !== undefined && { statementTimeoutMs: options.statementTimeoutMs }),
    ...(options.giveUpAfterMs !== undefined && { giveUpAfterMs: options.giveUpAfterMs }),
    ...(options.dropAllowUnmanaged !== undefined && { dropAllowUnmanaged: options.dropAllowUnmanaged }),
  })
  const metadata = new PostgresMetadataProvider(client, { ...marker })
  const locks =
    options.locks ??
    new PostgresAdvisoryLockManager(client, {
      ...(options.lockPrefix !== undefined && { prefix: options.lockPrefix }),
      ...logging,
    })
  const service = new PartitionLifecycleService({
    repo,
    metadata,
    locks,
    ...(options.periodCalculator && { periodCalculator: options.periodCalculator }),
    ...(options.hooks && { hooks: options.hooks }),
    ...(options.hookTimeoutMs !== undefined && { hookTimeoutMs: options.hookTimeoutMs }),
    ...logging,
  })
  const maintainer = new PartitionMaintainer(service)
  return {
    service,
    maintainer,
    repo,
    metadata,
    locks,
    inspect: (config, planOptions) => service.inspect(config, planOptions),
    plan: (config, planOptions) => service.plan(config, planOptions),
    apply: (config, plan, applyOptions) => service.apply(config, plan, applyOptions),
    maintain: (config, applyOptions) => service.maintain(config, applyOptions),
    inspectFleet: (configs, planOptions) => service.inspectFleet(configs, planOptions),
    planFleet: (configs, planOptions) => service.planFleet(configs, planOptions),
    maintainFleet: (targets, fleetOptions) => maintainer.maintainFleet(targets, fleetOptions),
    ensurePartition: (config, at, planOptions) => service.ensurePartition(config, at, planOptions),
    adoptPartition: (config, table, planOptions) => service.adoptPartition(config, table, planOptions),
    reattachPartition: (config, table, planOptions) => service.reattachPartition(config, table, planOptions),
  }
}
