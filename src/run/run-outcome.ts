import type { TablePartitionConfig } from '../policy/config.ts'
import type { TablePartitionOptions } from '../policy/options.ts'
import type { MaintenanceResult } from './result.ts'
import type { PlanOptions } from './table-planner.ts'

export type ConfigInput = TablePartitionConfig | TablePartitionOptions

export interface ApplyOptions extends PlanOptions {
  /** Whether expired partitions may be detached and detached ones dropped. @default true */
  readonly allowDestructive?: boolean
  /** Goes on with the next operation when one failed; what failed is in `result.issues`. @default false */
  readonly continueOnError?: boolean
}

/** A result, and what ended the run if something did. */
export interface RunOutcome {
  readonly result: MaintenanceResult
  readonly error: unknown
}
