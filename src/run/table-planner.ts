import { InvalidPartitionConfigError, PlanMismatchError, ServerUnsupportedError } from '../errors.ts'
import type { PeriodCalculator } from '../model/calendar.ts'
import { calculatorFor, positionOf } from '../model/calendar.ts'
import type { InstantLike } from '../model/instant.ts'
import { Instant } from '../model/instant.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { Evidence } from '../plan/evidence.ts'
import { configFingerprint } from '../plan/fingerprint.ts'
import type { MaintenancePlan } from '../plan/plan.ts'
import { evidenceNeeded, planTable } from '../plan/planner.ts'
import type { PlanInput } from '../plan/survey.ts'
import { surveyTree } from '../plan/survey.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { PartitionTree } from '../model/partition-tree.ts'
import { zoneDisagreement } from '../policy/ddl-zone.ts'
import type { PartitionMetadataProvider } from './metadata-provider.ts'
import type { PartitionRepository } from './repository.ts'

export interface PlanOptions {
  /** Stops the call: what runs on the server is cancelled, locks and connections are released. */
  readonly signal?: AbortSignal
  /** Stands in for the server's clock, for simulations. @default the server's clock */
  readonly now?: InstantLike
}

/** A plan together with what it was made from. */
export interface Planned {
  readonly input: PlanInput
  readonly evidence: Evidence
  readonly plan: MaintenancePlan
}

/** What somebody wants, whatever the configuration says. */
export interface Asked {
  /** The period of this moment. */
  readonly at?: Instant
  /** This table attached again. */
  readonly reattach?: TableName
}

export interface TablePlannerParts {
  readonly repo: PartitionRepository
  readonly metadata: PartitionMetadataProvider
  readonly periodCalculator?: PeriodCalculator
}

/** Reads what a plan rests on and has the pure planner decide. */
export class TablePlanner {
  readonly #parts: TablePlannerParts

  constructor(parts: TablePlannerParts) {
    this.#parts = parts
  }

  /** Plans the table as it is now, and what is asked for besides. */
  async plan(config: TablePartitionConfig, options: PlanOptions, asked: Asked = {}): Promise<Planned> {
    const { at, reattach } = asked
    const { metadata } = this.#parts
    const read = options.signal ? { signal: options.signal } : {}
    // What is wrong with the configuration alone is said without a server.
    const calculator = this.calculatorOf(config)
    const tree = await metadata.readTree(config.table, read)
    const base = this.inputOf({ config, tree }, calculator, options)
    const input = {
      ...base,
      ...(at && { explicit: explicitPositions(base, at) }),
      ...(reattach && { reattach }),
    }
    const evidence = await metadata.collectEvidence(evidenceNeeded(input), read)
    return { input, evidence, plan: planTable(input, evidence) }
  }

  /** What a plan of the table rests on, besides evidence. */
  inputOf(
    { config, tree }: { readonly config: TablePartitionConfig; readonly tree: PartitionTree },
    calculator: PeriodCalculator,
    options: PlanOptions,
  ): PlanInput {
    const { repo } = this.#parts
    return {
      config,
      calculator,
      tree,
      ddlTimezone: repo.ddlTimezone,
      ...limitsOf(repo),
      ...nowOf(options),
    }
  }

  /** The calendar of a table, checked against the zone of the DDL. */
  calculatorOf(config: TablePartitionConfig): PeriodCalculator {
    const { periodCalculator, repo } = this.#parts
    const { granularity } = config
    const calculator = periodCalculator ?? (granularity && calculatorFor(granularity, config.timeZone))
    if (!calculator) {
      throw new InvalidPartitionConfigError(
        `${formatTableName(config.table)}: the configuration has no granularity and the service has no periodCalculator, so it is not known how long a partition is. Give one of them.`,
      )
    }
    const problem = zoneDisagreement(calculator.timeZone, repo.ddlTimezone)
    if (problem !== undefined)
      throw new InvalidPartitionConfigError(`${formatTableName(config.table)}: ${problem}`)
    return calculator
  }
}

/** What the budget of the repository leaves for a wait. */
function limitsOf({
  budget,
}: PartitionRepository): Pick<PlanInput, 'lockTimeoutMs' | 'statementTimeoutMs' | 'giveUpAfterMs'> {
  if (!budget) return {}
  const { lockTimeoutMs, statementTimeoutMs, giveUpAfterMs } = budget
  return { lockTimeoutMs, statementTimeoutMs, giveUpAfterMs }
}

export function nowOf({ now }: PlanOptions): { now?: Instant } {
  return now === undefined ? {} : { now: Instant.from(now) }
}

/** The moment as a position on the key's line; nothing when the key is not as configured, which the plan reports. */
export function explicitPositions(input: PlanInput, at: Instant): readonly bigint[] {
  const result = surveyTree(input)
  return 'survey' in result ? [positionOf(at, input.calculator.timeZone, result.survey.keyType)] : []
}

/** A standby only reads, and an advisory lock there is local to it: it would exclude nobody on the primary. */
export function refuseToChange({ tree }: Pick<PlanInput, 'tree'>): void {
  if (!tree.server.inRecovery) return
  throw new ServerUnsupportedError(
    'The server is a standby that only reads (pg_is_in_recovery). Nothing was changed; connect to the primary.',
  )
}

/** A plan is carried out for the table and the configuration that it was made for, or not at all. */
export function refuseForeignPlan(
  plan: MaintenancePlan,
  config: TablePartitionConfig,
  calculator: PeriodCalculator,
): void {
  const table = formatTableName(config.table)
  if (!sameTable(plan.table, config.table)) {
    throw new PlanMismatchError(
      `The plan was made for ${formatTableName(plan.table)} and the configuration is of ${table}. Nothing was changed.`,
    )
  }
  if (plan.configFingerprint !== configFingerprint(config, calculator)) {
    throw new PlanMismatchError(
      `${table}: the configuration was changed since the plan was made. Nothing was changed; plan again.`,
    )
  }
}
