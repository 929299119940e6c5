import { checkOptions } from '../policy/call-options.ts'
import { configIn, failedBefore } from './failed-before.ts'
import type { FleetOptions, FleetTarget } from './fleet.ts'
import type { MaintenanceResult } from './result.ts'
import type { ApplyOptions, ConfigInput } from './run-outcome.ts'
import type { PartitionLifecycleService } from './service.ts'

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
      return failedBefore(config, error).result
    }
  }

  /**
   * As `runMaintenanceSafe` for many tables in one run: those that have something to do are run under their own locks,
   * a few at a time. One result for each target, in their order; no failure stops the others.
   */
  async maintainFleet(
    targets: readonly FleetTarget[],
    options: FleetOptions = {},
  ): Promise<readonly MaintenanceResult[]> {
    try {
      return (await this.#service.runFleet(targets, options)).map(({ result }) => result)
    } catch (error) {
      // Of what is no list there is no result for each target.
      if (!Array.isArray(targets)) throw error
      return targets.map((target) => failedBefore(configIn(target), error).result)
    }
  }
}

/** What a scheduler calls: `runMaintenanceSafe` as a plain function. */
export async function maintainPartitions(job: {
  readonly maintainer: PartitionMaintainer
  readonly config: ConfigInput
  readonly options?: ApplyOptions
}): Promise<MaintenanceResult> {
  try {
    checkOptions('job', job)
    return await job.maintainer.runMaintenanceSafe(job.config, job.options)
  } catch (error) {
    return failedBefore(configIn(job), error).result
  }
}
