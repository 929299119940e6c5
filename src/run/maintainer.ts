import { TablePartitionConfig } from '../policy/config.ts'
import { InvalidPartitionConfigError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import type { MaintenanceResult } from './result.ts'
import { RunRecord } from './run-record.ts'
import type { ApplyOptions, ConfigInput, PartitionLifecycleService } from './service.ts'

/** Runs maintenance for schedulers and services. */
export class PartitionMaintainer {
  readonly #service: PartitionLifecycleService

  constructor(service: PartitionLifecycleService) {
    this.#service = service
  }

  /** Creates, detaches and drops what is due. Throws what ended the run, if something did. */
  async runMaintenance(config: ConfigInput, options: ApplyOptions = {}): Promise<MaintenanceResult> {
    return this.#service.maintain(config, options)
  }

  /** As `runMaintenance`, and never throws: not on a bad configuration, not when aborted, not without a server. */
  async runMaintenanceSafe(config: ConfigInput, options: ApplyOptions = {}): Promise<MaintenanceResult> {
    try {
      return (await this.#service.run(config, options)).result
    } catch (error) {
      return failedBefore(config, error)
    }
  }
}

/** What a scheduler calls: `runMaintenanceSafe` as a plain function. */
export async function maintainPartitions(job: {
  readonly maintainer: PartitionMaintainer
  readonly config: ConfigInput
  readonly options?: ApplyOptions
}): Promise<MaintenanceResult> {
  return job.maintainer.runMaintenanceSafe(job.config, job.options)
}

/** The configuration did not parse, so there is not even a table's name that can be trusted. */
function failedBefore(config: ConfigInput, error: unknown): MaintenanceResult {
  const record = new RunRecord(nameIn(config))
  record.ended(error)
  if (error instanceof InvalidPartitionConfigError) record.issue('config', { error })
  return record.result()
}

/** Also of what is no configuration at all: whoever calls from JavaScript can pass anything. */
function nameIn(config: unknown): TableName {
  if (config instanceof TablePartitionConfig) return config.table
  const text = (key: string, otherwise: string): string => {
    const value: unknown =
      typeof config === 'object' && config !== null ? Reflect.get(config, key) : undefined
    return typeof value === 'string' ? value : otherwise
  }
  return { schema: text('schema', 'public'), name: text('tableName', '') }
}
