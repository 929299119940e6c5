import { InvalidPartitionConfigError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { EvidenceRequest } from '../plan/evidence.ts'
import type { TableInspection } from '../plan/inspection.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import { checkOptions } from '../policy/call-options.ts'
import { TablePartitionConfig } from '../policy/config.ts'
import { configIn, failedBefore, tableNameIn } from './failed-before.ts'
import type { FleetAnswer, FleetAnswers, FleetReader, FleetUse } from './fleet-reader.ts'
import { DefaultRowsCounter, inspected } from './inspector.ts'
import { inTurns } from './in-turns.ts'
import type { PartitionMetadataProvider } from './metadata-provider.ts'
import { RunRecord } from './run-record.ts'
import type { ApplyOptions, ConfigInput, RunOutcome } from './run-outcome.ts'
import type { Planned, PlanOptions } from './table-planner.ts'
import { refuseToChange } from './table-planner.ts'

/** One table of a fleet. */
export interface FleetTarget {
  /** The table, and what is wanted of it. */
  readonly config: ConfigInput
  /** Carries out this plan, as `apply` does; without it the table is planned now. */
  readonly plan?: MaintenancePlan
  /** Whether expired partitions of this table may go. @default that of the fleet */
  readonly allowDestructive?: boolean
}

export interface FleetOptions extends ApplyOptions {
  /** How many tables are changed at a time; each waits until the pool has room for its three connections. @default 2 */
  readonly concurrency?: number
  /** Called with each table whose turn under its lock begins; must not throw. */
  readonly onBegin?: (table: TableName) => void
  /** Called with each outcome as soon as it is known; must not throw. */
  readonly onEnd?: (outcome: RunOutcome) => void
}

/** The plan of one table of a fleet, or why there is none. */
export type FleetPlan = { readonly table: TableName } & (
  | { readonly plan: MaintenancePlan }
  | { readonly error: unknown }
)

/** What one table of a fleet looks like, or why that cannot be seen. */
export type FleetInspection = { readonly table: TableName } & (
  | { readonly plan: MaintenancePlan; readonly inspection: TableInspection }
  | { readonly error: unknown }
)

export interface FleetParts {
  readonly reader: FleetReader
  readonly metadata: PartitionMetadataProvider
  /** Each is one run of one table, under its lock. */
  readonly maintain: (
    config: TablePartitionConfig,
    options: ApplyOptions,
    seen: Planned | undefined,
  ) => Promise<RunOutcome>
  readonly apply: (
    config: TablePartitionConfig,
    plan: MaintenancePlan,
    options: ApplyOptions,
  ) => Promise<RunOutcome>
}

/** So many trees are in memory together. */
const tablesAtOnce = 1_000

/** So many partitions are remembered of tables that only lack some. */
const mostRemembered = 50_000

const defaultConcurrency = 2

/**
 * Many tables in one run.
 *
 * All are looked at together and without a lock. Where there is nothing to do, that is the outcome; each other table is
 * then run under its own lock, where it is read and planned again. Where partitions are to be made and nothing else, it
 * is enough that the table still has those that it had.
 */
export class Fleet {
  readonly #parts: FleetParts

  constructor(parts: FleetParts) {
    this.#parts = parts
  }

  async plan(configs: readonly ConfigInput[], options: PlanOptions): Promise<readonly FleetPlan[]> {
    return this.#describe(configs, options, ({ plan }) => ({ plan }))
  }

  async inspect(configs: readonly ConfigInput[], options: PlanOptions): Promise<readonly FleetInspection[]> {
    const members = await this.#describe(configs, options, (planned) => ({
      plan: planned.plan,
      seen: inspected(planned),
    }))
    const counter = new DefaultRowsCounter(this.#parts.metadata)
    const read = options.signal ? { signal: options.signal } : {}
    const inspections: FleetInspection[] = []
    for (const member of members) {
      if ('error' in member) {
        inspections.push(member)
        continue
      }
      const { table, plan, seen } = member
      try {
        inspections.push({ table, plan, inspection: await counter.complete(seen, read) })
      } catch (error) {
        inspections.push({ table, error })
      }
    }
    return inspections
  }

  /** One outcome for each target, in their order, whatever becomes of the others. */
  async run(targets: readonly FleetTarget[], options: FleetOptions): Promise<readonly RunOutcome[]> {
    const { concurrency = defaultConcurrency, onBegin, onEnd, ...its } = options
    const members = membersOf(targets, (target) => {
      checkOptions('target', target)
      return target.config
    })
    const planless = members.flatMap((member, index) =>
      'config' in member && !targets[index]?.plan ? [member.config] : [],
    )
    const { settled, creations } = await this.#settle(planless, its)
    const outcomes = members.map((member, index) =>
      'error' in member ? failedBefore(configIn(targets[index]), member.error) : settled.get(member.config),
    )
    for (const outcome of outcomes) if (outcome) onEnd?.(outcome)
    await inTurns([...members.entries()], concurrency, async ([index, member]) => {
      if (outcomes[index] || 'error' in member) return
      const { plan, allowDestructive } = targets[index] ?? {}
      const applying = { ...its, ...(allowDestructive !== undefined && { allowDestructive }) }
      onBegin?.(member.config.table)
      const outcome = await (plan
        ? this.#parts.apply(member.config, plan, applying)
        : this.#parts.maintain(member.config, applying, creations.get(member.config)))
      outcomes[index] = outcome
      onEnd?.(outcome)
    })
    return outcomes.flatMap((outcome) => outcome ?? [])
  }

  /** The outcomes of those that have nothing to do or cannot be read, and the plans of those that only lack partitions. */
  async #settle(
    configs: readonly TablePartitionConfig[],
    options: PlanOptions,
  ): Promise<{
    readonly settled: ReadonlyMap<TablePartitionConfig, RunOutcome>
    readonly creations: ReadonlyMap<TablePartitionConfig, Planned>
  }> {
    const settled = new Map<TablePartitionConfig, RunOutcome>()
    const creations = new Map<TablePartitionConfig, Planned>()
    let remembered = 0
    const take = (planned: Planned): RunOutcome | undefined => {
      const { config, tree } = planned.input
      if (createsOnly(planned) && remembered < mostRemembered) {
        creations.set(config, planned)
        remembered += tree.partitions.length
      }
      return settledOutcome(planned)
    }
    // What else is due is read again under its lock, so what its plan needs besides is not asked for now.
    const answers = await this.#read(configs, { take, leaveOut: isDue }, options)
    for (const [config, answer] of answers) {
      const outcome = 'error' in answer ? failedBefore(config, answer.error) : answer.taken
      if (outcome) settled.set(config, outcome)
    }
    return { settled, creations }
  }

  async #describe<T extends object>(
    configs: readonly ConfigInput[],
    options: PlanOptions,
    take: (planned: Planned) => T,
  ): Promise<readonly ({ readonly table: TableName } & (T | { readonly error: unknown }))[]> {
    const members = membersOf(configs, (config) => config)
    const good = members.flatMap((member) => ('config' in member ? [member.config] : []))
    const answers = await this.#read(good, { take }, options)
    return members.map((member, index) => {
      if ('error' in member) return { table: tableNameIn(configs[index]), error: member.error }
      const answer = answers.get(member.config)
      const { table } = member.config
      return answer && 'taken' in answer ? { table, ...answer.taken } : { table, error: answer?.error }
    })
  }

  /** What concerns all tables is the answer of each. */
  async #read<T>(
    configs: readonly TablePartitionConfig[],
    use: FleetUse<T>,
    options: PlanOptions,
  ): Promise<FleetAnswers<T>> {
    const answers = new Map<TablePartitionConfig, FleetAnswer<T>>()
    for (let from = 0; from < configs.length; from += tablesAtOnce) {
      const some = configs.slice(from, from + tablesAtOnce)
      try {
        for (const [config, answer] of await this.#parts.reader.read(some, use, options)) {
          answers.set(config, answer)
        }
      } catch (error) {
        for (const config of some) answers.set(config, { error })
      }
    }
    return answers
  }
}

type Member = { readonly config: TablePartitionConfig } | { readonly error: unknown }

/** A configuration or a target that cannot be used, and a table that comes again, concerns nobody else. */
function membersOf<T>(inputs: readonly T[], configOf: (input: T) => ConfigInput): readonly Member[] {
  const seen = new Set<string>()
  return inputs.map((input) => {
    try {
      const config = TablePartitionConfig.from(configOf(input))
      const table = formatTableName(config.table)
      if (seen.has(table)) {
        throw new InvalidPartitionConfigError(
          `${table} is in the fleet more than once. The first configuration counts; nothing was done for this one.`,
        )
      }
      seen.add(table)
      return { config }
    } catch (error) {
      return { error }
    }
  })
}

/** Whether there is certainly more to do than to make partitions where there is no DEFAULT. */
function isDue({ defaultRows, maybeEmpty, references, leaving }: EvidenceRequest): boolean {
  if (maybeEmpty.length > 0 || references !== undefined || leaving !== undefined) return true
  return (defaultRows?.ranges.length ?? 0) > 0
}

function createsOnly({ plan: { operations, findings } }: Planned): boolean {
  return (
    operations.length > 0 &&
    operations.every(({ kind }) => kind === 'create') &&
    findings.every(({ severity }) => severity === 'info')
  )
}

/**
 * The outcome where nothing is to be done and nobody has to be told anything.
 *
 * Nothing where a person is needed: what looks wrong can be what another maintainer is just working on, and under the
 * lock it is not.
 */
function settledOutcome({ input, plan }: Planned): RunOutcome | undefined {
  if (plan.operations.length > 0 || plan.findings.some(({ severity }) => severity !== 'info'))
    return undefined
  const record = new RunRecord(input.config.table)
  record.planned(plan)
  try {
    refuseToChange(input)
  } catch (error) {
    record.ended(error)
  }
  return { result: record.result(), error: record.error }
}
