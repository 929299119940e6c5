import type { TableName } from '../model/table-name.ts'
import type {
  DefaultRowsAnswer,
  DefaultRowsAsking,
  DefaultRowsQuestion,
  DefaultRowsReport,
} from '../plan/default-report.ts'
import { askDefaultRows } from '../plan/default-report.ts'
import type { TableInspection } from '../plan/inspection.ts'
import { inspectTable } from '../plan/inspection.ts'
import type { PartitionMetadataProvider, ReadOptions } from './metadata-provider.ts'
import { describeError } from './sql-state.ts'
import type { Planned } from './table-planner.ts'

/** The longest statement about the rows of one DEFAULT. */
const mostMsOfTable = 2_000
/** So long a fleet is looked at; what is left then is not counted. */
const mostMsOfFleet = 20_000

/** An inspection that may lack the rows of DEFAULT, with what is needed to count them. */
export interface Inspected {
  readonly inspection: TableInspection
  readonly pending?: DefaultRowsAsking
}

/** Describes a table from what was read for its plan. */
export function inspected({ input, evidence, plan }: Planned): Inspected {
  const inspection = inspectTable(input, plan)
  const asked = askDefaultRows(input, evidence)
  if (!asked) return { inspection }
  return 'ask' in asked
    ? { inspection, pending: asked }
    : { inspection: { ...inspection, defaultRows: asked } }
}

/** Counts the rows of DEFAULT of one table after the other, for as long as there is time for all of them. */
export class DefaultRowsCounter {
  readonly #metadata: PartitionMetadataProvider
  readonly #until: number = performance.now() + mostMsOfFleet

  constructor(metadata: PartitionMetadataProvider) {
    this.#metadata = metadata
  }

  async complete({ inspection, pending }: Inspected, options: ReadOptions): Promise<TableInspection> {
    if (!pending || !this.#metadata.countDefaultRows) return inspection
    const { ask, report } = pending
    const answer = await this.#count(ask, options)
    const defaultRows = typeof answer === 'string' ? notCounted(ask.table, answer) : report(answer)
    return { ...inspection, defaultRows }
  }

  /** That they cannot be counted is no reason to say nothing about the table. */
  async #count(ask: DefaultRowsQuestion, options: ReadOptions): Promise<DefaultRowsAnswer | string> {
    const left = Math.round(this.#until - performance.now())
    if (left <= 0) {
      return 'The DEFAULT partitions of the tables before it took all the time; inspect this table alone.'
    }
    try {
      const mostMs = Math.min(mostMsOfTable, left)
      return (
        (await this.#metadata.countDefaultRows?.(ask, { ...options, mostMs })) ?? 'Its rows were not counted.'
      )
    } catch (error) {
      if (options.signal?.aborted === true) throw error
      return `It could not be read: ${describeError(error)}`
    }
  }
}

function notCounted(relation: TableName, why: string): DefaultRowsReport {
  return { relation, counted: 'not', why }
}
