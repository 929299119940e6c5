import { ConnectionFailedError, ServerUnsupportedError } from '../errors.ts'
import type { PeriodCalculator } from '../model/calendar.ts'
import type { TableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest } from '../plan/evidence.ts'
import { needsEvidence, noEvidence } from '../plan/evidence.ts'
import { evidenceNeeded, planTable } from '../plan/planner.ts'
import type { PlanInput } from '../plan/survey.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { PartitionMetadataProvider, ReadOptions, TakeReading, TreeReading } from './metadata-provider.ts'
import type { Planned, PlanOptions, TablePlanner } from './table-planner.ts'

/** What becomes of the plan of each table; called as soon as there is one, so that its tree need not be kept. */
export interface FleetUse<T> {
  readonly take: (planned: Planned) => T
  /** Whether a table is left out: what its plan needs beyond the catalog says enough about it. */
  readonly leaveOut?: (request: EvidenceRequest) => boolean
}

/** One answer for each table that was not left out. */
export type FleetAnswers<T> = ReadonlyMap<TablePartitionConfig, FleetAnswer<T>>
export type FleetAnswer<T> = { readonly taken: T } | { readonly error: unknown }

interface Asking {
  readonly config: TablePartitionConfig
  readonly input: PlanInput
  readonly request: EvidenceRequest
}

/** Reads many tables with as few statements as one, and has the pure planner decide about each. Takes no lock. */
export class FleetReader {
  readonly #planner: TablePlanner
  readonly #metadata: PartitionMetadataProvider

  constructor(planner: TablePlanner, metadata: PartitionMetadataProvider) {
    this.#planner = planner
    this.#metadata = metadata
  }

  /** Throws what concerns all: an abort, a server that is gone or too old. */
  async read<T>(
    configs: readonly TablePartitionConfig[],
    use: FleetUse<T>,
    options: PlanOptions,
  ): Promise<FleetAnswers<T>> {
    const answers = new Map<TablePartitionConfig, FleetAnswer<T>>()
    const asking: Asking[] = []
    const calculatorOf = this.#sharedCalculators()
    const take: TakeReading = (reading, index) => {
      const config = configs[index]
      if (!config) return
      try {
        if ('error' in reading) throw reading.error
        const input = this.#planner.inputOf({ config, tree: reading.tree }, calculatorOf(config), options)
        const request = evidenceNeeded(input)
        if (use.leaveOut?.(request) === true) return
        if (needsEvidence(request)) asking.push({ config, input, request })
        else answers.set(config, { taken: use.take(planned(input, noEvidence)) })
      } catch (error) {
        answers.set(config, { error })
      }
    }
    await this.#trees(
      configs.map(({ table }) => table),
      take,
      readOptions(options),
    )
    const together = await this.#together(asking, readOptions(options))
    for (const [index, { config, input, request }] of asking.entries()) {
      try {
        const evidence =
          together[index] ?? (await this.#metadata.collectEvidence(request, readOptions(options)))
        answers.set(config, { taken: use.take(planned(input, evidence)) })
      } catch (error) {
        if (options.signal?.aborted === true) throw error
        answers.set(config, { error })
      }
    }
    return answers
  }

  /** Tables with the same periods have the same calendar object, which remembers its slots. */
  #sharedCalculators(): (config: TablePartitionConfig) => PeriodCalculator {
    const known = new Map<string, PeriodCalculator>()
    return (config) => {
      const key = `${config.granularity ?? ''} ${config.timeZone}`
      const calculator = known.get(key) ?? this.#planner.calculatorOf(config)
      known.set(key, calculator)
      return calculator
    }
  }

  async #trees(tables: readonly TableName[], take: TakeReading, options: ReadOptions): Promise<void> {
    let taken = 0
    try {
      await this.#metadata.readTrees?.(
        tables,
        (reading, index) => {
          taken = index + 1
          take(reading, index)
        },
        options,
      )
    } catch (error) {
      if (concernsAll(error, options)) throw error
      // One by one each gets its own answer, as where a role's statement_timeout is too short for a whole fleet.
    }
    for (const [index, table] of tables.entries()) {
      if (index >= taken) take(await this.#tree(table, options), index)
    }
  }

  async #tree(table: TableName, options: ReadOptions): Promise<TreeReading> {
    try {
      return { tree: await this.#metadata.readTree(table, options) }
    } catch (error) {
      if (concernsAll(error, options)) throw error
      return { error }
    }
  }

  async #together(
    asking: readonly Asking[],
    options: ReadOptions,
  ): Promise<readonly (Evidence | undefined)[]> {
    if (asking.length === 0 || !this.#metadata.collectTogether) return []
    try {
      return await this.#metadata.collectTogether(
        asking.map(({ request }) => request),
        options,
      )
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      return []
    }
  }
}

function planned(input: PlanInput, evidence: Evidence): Planned {
  return { input, evidence, plan: planTable(input, evidence) }
}

function concernsAll(error: unknown, { signal }: ReadOptions): boolean {
  return (
    signal?.aborted === true ||
    error instanceof ConnectionFailedError ||
    error instanceof ServerUnsupportedError
  )
}

function readOptions({ signal }: PlanOptions): ReadOptions {
  return signal ? { signal } : {}
}
