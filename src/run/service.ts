import { InvalidPartitionConfigError, PartitionError, PlanStaleError } from '../errors.ts'
import type { PeriodCalculator } from '../model/calendar.ts'
import type { InstantLike } from '../model/instant.ts'
import { Instant } from '../model/instant.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TableInspection } from '../plan/inspection.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import { basisOf, whatMoved } from '../plan/basis.ts'
import type { PlanBlockers } from '../plan/plan-blockers.ts'
import { blockersOfPlan, lockedTables } from '../plan/plan-blockers.ts'
import { ensured } from '../plan/ensured.ts'
import { reattached } from '../plan/reattached.ts'
import { checkOptions } from '../policy/call-options.ts'
import { TablePartitionConfig } from '../policy/config.ts'
import { toBeRead } from '../sql/to-be-read.ts'
import type { AdoptedTable } from './adoptable.ts'
import { adoptable, refuseWithoutGrace } from './adoptable.ts'
import { listMoved, whyNotAsReviewed } from './as-reviewed.ts'
import type { FleetInspection, FleetOptions, FleetPlan, FleetTarget } from './fleet.ts'
import { Fleet } from './fleet.ts'
import { FleetReader } from './fleet-reader.ts'
import { HookRunner } from './hook-runner.ts'
import type { PartitionLifecycleHooks } from './hooks.ts'
import { DefaultRowsCounter, inspected } from './inspector.ts'
import { nobodySeen } from './lock-holders.ts'
import type { LockManager } from './lock.ts'
import { LockedRuns } from './locked-runs.ts'
import { PostgresAdvisoryLockManager } from './locks/advisory.ts'
import type { Logger } from './logger.ts'
import { silentLogger } from './logger.ts'
import type { PartitionMetadataProvider } from './metadata-provider.ts'
import { PostgresPartitionRepository } from './postgres-repository.ts'
import { hindranceError, isKnown, whyUnknown } from './reattachable.ts'
import type { PartitionRepository } from './repository.ts'
import type { MaintenanceResult } from './result.ts'
import type { ApplyOptions, ConfigInput, RunOutcome } from './run-outcome.ts'
import type { RunRecord } from './run-record.ts'
import type { Planned, PlanOptions } from './table-planner.ts'
import { nowOf, refuseForeignPlan, refuseToChange, TablePlanner } from './table-planner.ts'

/** What a service is made of; each part can be your own. */
export interface PartitionLifecycleServiceParts {
  readonly repo: PartitionRepository
  readonly metadata: PartitionMetadataProvider
  readonly locks: LockManager
  /** The calendar of every table of this service, in place of the one that a table's configuration names. */
  readonly periodCalculator?: PeriodCalculator
  readonly hooks?: readonly PartitionLifecycleHooks[]
  /** The longest one hook may take. @default 300000 */
  readonly hookTimeoutMs?: number
  readonly logger?: Logger
}

/** A detach that was cut short is finished first, and what follows from it is planned anew. */
const mostPasses = 3

/** Plans and carries out the life of partitions: lock, read, decide, do. It knows no SQL. */
export class PartitionLifecycleService {
  readonly #parts: PartitionLifecycleServiceParts
  readonly #planner: TablePlanner
  readonly #fleet: Fleet
  readonly #runs: LockedRuns
  readonly #logger: Logger

  constructor(parts: PartitionLifecycleServiceParts) {
    checkOptions('service', parts)
    this.#parts = parts
    this.#logger = parts.logger ?? silentLogger
    this.#planner = new TablePlanner(parts)
    this.#fleet = new Fleet({
      reader: new FleetReader(this.#planner, parts.metadata),
      metadata: parts.metadata,
      maintain: (config, options, seen) => this.#maintain(config, options, seen),
      apply: (config, plan, options) => this.runPlan(config, plan, options),
    })
    const { repo, metadata, locks } = parts
    if (repo.markerPrefix !== metadata.markerPrefix) {
      throw new InvalidPartitionConfigError(
        `The repository writes the marker prefix '${repo.markerPrefix}' and the metadata provider reads '${metadata.markerPrefix}': what one detaches the other would never find. Give both the same markerPrefix.`,
      )
    }
    const postgres = repo instanceof PostgresPartitionRepository ? repo : undefined
    const most = postgres?.client.capabilities.maxConnections
    if (
      postgres &&
      locks instanceof PostgresAdvisoryLockManager &&
      locks.client === postgres.client &&
      most !== undefined &&
      most < 3
    ) {
      throw new InvalidPartitionConfigError(
        `The pool has ${most} connections and a run needs three: one for the lock, one for its statements and one to watch them from. It would wait for itself for ever; set the pool's max to 3 or more.`,
      )
    }
    const hooks = new HookRunner({
      hooks: parts.hooks ?? [],
      timeoutMs: parts.hookTimeoutMs ?? 300_000,
      logger: this.#logger,
      client: postgres?.client,
    })
    this.#runs = new LockedRuns({ repo, locks, hooks, logger: this.#logger })
  }

  /**
   * Describes the table: its partitions, its runway, the rows of its DEFAULT, its findings. Changes nothing and takes no
   * lock.
   */
  async inspect(config: ConfigInput, options: PlanOptions = {}): Promise<TableInspection> {
    checkOptions('look', options)
    const planned = await this.#planner.plan(TablePartitionConfig.from(config), options)
    return new DefaultRowsCounter(this.#parts.metadata).complete(inspected(planned), options)
  }

  /** Decides what is to be done now. Changes nothing and takes no lock. */
  async plan(config: ConfigInput, options: PlanOptions = {}): Promise<MaintenancePlan> {
    checkOptions('look', options)
    return (await this.#planner.plan(TablePartitionConfig.from(config), options)).plan
  }

  /** As `inspect` for many tables, read together; what cannot be read is said of its table alone. */
  async inspectFleet(
    configs: readonly ConfigInput[],
    options: PlanOptions = {},
  ): Promise<readonly FleetInspection[]> {
    checkOptions('look', options)
    return this.#fleet.inspect(configs, options)
  }

  /** As `plan` for many tables, read together; what cannot be read is said of its table alone. */
  async planFleet(configs: readonly ConfigInput[], options: PlanOptions = {}): Promise<readonly FleetPlan[]> {
    checkOptions('look', options)
    return this.#fleet.plan(configs, options)
  }

  /**
   * Who is in the way of the plans' operations now, one answer for each plan in their order, read together. Changes
   * nothing and takes no lock.
   */
  async blockersOf(
    plans: readonly MaintenancePlan[],
    options: Pick<PlanOptions, 'signal'> = {},
  ): Promise<readonly PlanBlockers[]> {
    checkOptions('stop', options)
    const { signal } = options
    const { metadata } = this.#parts
    const seen = await metadata.readLockHolders?.(lockedTables(plans), signal ? { signal } : {})
    const { holders, looker } = seen ?? nobodySeen
    return plans.map((plan) => blockersOfPlan(plan, holders, looker))
  }

  /**
   * The statements that `apply` would send for the plan, as text for a reader. It is no script: what is decided at run
   * time, and the markers, are only announced in it, and its first lines keep it from being run.
   */
  async renderSql(config: ConfigInput, plan: MaintenancePlan, options: PlanOptions = {}): Promise<string> {
    checkOptions('look', options)
    const trusted = TablePartitionConfig.from(config)
    const { server } = await this.#parts.metadata.readTree(trusted.table, options)
    const texts = plan.operations.map((operation) => this.#parts.repo.renderOperation(operation, server))
    return toBeRead(texts.map((text) => `${text}\n`).join('\n'))
  }

  /**
   * Carries out a plan that was made before, under the table's lock.
   *
   * Throws `PlanMismatchError` for another table's or another configuration's plan, and `PlanStaleError`, saying what
   * moved, when the catalog is not as it was. A destructive operation that would not be planned any more is refused.
   */
  async apply(
    config: ConfigInput,
    plan: MaintenancePlan,
    options: ApplyOptions = {},
  ): Promise<MaintenanceResult> {
    return outcomeOf(await this.runPlan(config, plan, options))
  }

  /** Plans and carries out under one lock. Throws what ended the run, if something did. */
  async maintain(config: ConfigInput, options: ApplyOptions = {}): Promise<MaintenanceResult> {
    return outcomeOf(await this.run(config, options))
  }

  /** As `maintain`, with the error beside the result in place of throwing it. */
  async run(config: ConfigInput, options: ApplyOptions = {}): Promise<RunOutcome> {
    checkOptions('run', options)
    return this.#maintain(config, options)
  }

  /** What was seen without the lock counts where the table has the same partitions still. */
  async #maintain(config: ConfigInput, options: ApplyOptions, seen?: Planned): Promise<RunOutcome> {
    const { metadata } = this.#parts
    return this.#runs.underLock(config, options, async ({ trusted, record, signal, execute }) => {
      for (let pass = 0; pass < mostPasses; pass++) {
        const holds = pass === 0 && seen && (await metadata.hasSamePartitions?.(seen.input.tree, { signal }))
        const planned = holds ? seen : await this.#planner.plan(trusted, { ...options, signal })
        record.planned(planned.plan)
        refuseToChange(planned.input)
        noteErrors(planned.plan, record)
        await execute(planned, planned.plan.operations)
        const finished = planned.plan.operations.some(({ kind }) => kind === 'finalize')
        if (!finished || record.error !== undefined || record.failed) return
      }
    })
  }

  /**
   * As `run` for many tables: all are looked at together, and those that have something to do are run under their own
   * locks. One outcome for each target, in their order; no failure stops the others.
   */
  async runFleet(
    targets: readonly FleetTarget[],
    options: FleetOptions = {},
  ): Promise<readonly RunOutcome[]> {
    checkOptions('fleet', options)
    return this.#fleet.run(targets, options)
  }

  /** As `apply`, with the error beside the result in place of throwing it. */
  async runPlan(config: ConfigInput, plan: MaintenancePlan, options: ApplyOptions = {}): Promise<RunOutcome> {
    checkOptions('run', options)
    return this.#runs.underLock(config, options, async ({ trusted, record, signal, execute }) => {
      refuseForeignPlan(plan, trusted, this.#planner.calculatorOf(trusted))
      record.planned(plan)
      const fresh = await this.#planner.plan(trusted, { ...options, signal })
      refuseToChange(fresh.input)
      const moved = whatMoved(plan.basis, basisOf(fresh.input.tree))
      if (moved.length > 0) {
        throw new PlanStaleError(
          `${formatTableName(trusted.table)}: the plan does not hold any more: ${listMoved(moved)}. Nothing was changed; plan again.`,
        )
      }
      noteErrors(fresh.plan, record)
      // What runs is what is decided now; the file only says which of it. So a file can hold nothing back but its ids.
      const decided = new Map(fresh.plan.operations.map((operation) => [operation.id, operation]))
      const reviewed = new Map(plan.operations.map((operation) => [operation.id, operation]))
      await execute(
        fresh,
        plan.operations.map((operation) => decided.get(operation.id) ?? operation),
        ({ id }) => whyNotAsReviewed(reviewed.get(id), decided.get(id)),
      )
    })
  }

  /**
   * Makes sure that the partition of a moment exists, with the rows of its range that lie in DEFAULT, and does nothing
   * else. Where it cannot be made, the result says why in `issues` and is no success; where the next run would detach it
   * again, in `findings`.
   */
  async ensurePartition(
    config: ConfigInput,
    at: InstantLike,
    options: PlanOptions = {},
  ): Promise<MaintenanceResult> {
    checkOptions('look', options)
    return outcomeOf(
      await this.#runs.underLock(config, options, async ({ trusted, record, signal, execute }) => {
        const planned = await this.#planner.plan(trusted, { ...options, signal }, { at: Instant.from(at) })
        refuseToChange(planned.input)
        const { operations, findings, hindrances } = ensured(planned.input, planned.plan)
        record.planned({ ...planned.plan, operations, findings })
        noteErrors(planned.plan, record)
        for (const hindrance of hindrances) record.issue('plan', { error: new PartitionError(hindrance) })
        await execute(planned, operations)
      }),
    )
  }

  /**
   * Marks a detached table as one that this tool may drop; its grace period starts now. Its range is not known: it is
   * attached again only where it has exactly the generated name of a period that is kept.
   *
   * Throws where no `dropAfter` is set, and for a table that cannot have been a partition, by its columns.
   */
  async adoptPartition(
    config: ConfigInput,
    table: string | TableName,
    options: PlanOptions = {},
  ): Promise<AdoptedTable> {
    checkOptions('look', options)
    const trusted = TablePartitionConfig.from(config)
    const name = nameOf(table, trusted)
    refuseWithoutGrace(name, trusted)
    let adopted: AdoptedTable = { table: name, sizeBytes: 0 }
    const { error } = await this.#runs.underLock(trusted, options, async ({ record, signal }) => {
      const { input, plan } = await this.#planner.plan(trusted, { ...options, signal })
      refuseToChange(input)
      const { tree } = input
      const evidence = await this.#parts.metadata.collectEvidence(
        { names: [name], maybeEmpty: [] },
        { signal },
      )
      const oid = adoptable(name, { tree, plan, evidence })
      const measure = await this.#parts.repo.adoptPartition(
        { parent: tree.parent.name, parentOid: tree.parent.oid, table: name, oid },
        { server: tree.server, signal, ...nowOf(options) },
      )
      adopted = { table: name, ...measure }
      this.#logger.info(`adopted ${formatTableName(name)}`, { table: formatTableName(record.table) })
    })
    if (error !== undefined) throw error
    return adopted
  }

  /**
   * Attaches a detached table again and does nothing else, whatever retention and `dropAfter` say; where it is attached
   * already, nothing is done. Throws for a name that is no partition and no marked table. Where it cannot be attached,
   * the result says why in `issues` and is no success; where the next run would detach it again, in `findings`.
   */
  async reattachPartition(
    config: ConfigInput,
    table: string | TableName,
    options: PlanOptions = {},
  ): Promise<MaintenanceResult> {
    checkOptions('look', options)
    return outcomeOf(
      await this.#runs.underLock(config, options, async ({ trusted, record, signal, execute }) => {
        const name = nameOf(table, trusted)
        const planned = await this.#planner.plan(trusted, { ...options, signal }, { reattach: name })
        const { input, plan } = planned
        refuseToChange(input)
        if (!isKnown(name, input.tree)) {
          const asked = { names: [name], maybeEmpty: [] }
          const { takenNames } = await this.#parts.metadata.collectEvidence(asked, { signal })
          throw whyUnknown(name, input.tree, { takenNames, markerPrefix: this.#parts.repo.markerPrefix })
        }
        const { operations, findings, hindrance } = reattached(input, plan)
        record.planned({ ...plan, operations, findings })
        if (hindrance) record.issue('plan', { error: hindranceError(hindrance), partition: name })
        await execute(planned, operations)
      }),
    )
  }
}

function outcomeOf({ result, error }: RunOutcome): MaintenanceResult {
  if (error !== undefined) throw error
  return result
}

function nameOf(table: string | TableName, { schema }: TablePartitionConfig): TableName {
  return typeof table === 'string' ? { schema, name: table } : table
}

function noteErrors(plan: MaintenancePlan, record: RunRecord): void {
  for (const finding of plan.findings) {
    if (finding.severity === 'error')
      record.issue('plan', { error: new PartitionError(`${finding.message} ${finding.next}`) })
  }
}
