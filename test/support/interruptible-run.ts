/** One run whose changes go through a client of their own; used by the crash tests and by the processes they kill. */

import type { DatabaseClient, MaintenanceResult, TablePartitionOptions } from '../../src/index.ts'
import {
  PartitionLifecycleService,
  PartitionMaintainer,
  PostgresAdvisoryLockManager,
  PostgresMetadataProvider,
  PostgresPartitionRepository,
} from '../../src/index.ts'

export interface ScenarioRun {
  readonly config: Omit<TablePartitionOptions, 'schema'>
  readonly now: string
  /** The name of a table that is adopted; without one the table is maintained. */
  readonly adopt?: string
  /** @default 100 */
  readonly lockTimeoutMs?: number
}

export interface RunPlace {
  readonly schema: string
  /** For the lock and for reading. */
  readonly client: DatabaseClient
  /** For what changes something. */
  readonly interrupted: DatabaseClient
  readonly signal?: AbortSignal
  /** @default 10000 */
  readonly statementTimeoutMs?: number
}

/** Adopts or maintains. An adoption that fails throws; a run gives its result. */
export async function interruptibleRun(
  { config, now, adopt, lockTimeoutMs }: ScenarioRun,
  { schema, client, interrupted, signal, statementTimeoutMs }: RunPlace,
): Promise<MaintenanceResult | undefined> {
  const service = serviceOn({
    client,
    interrupted,
    ...(statementTimeoutMs !== undefined && { statementTimeoutMs }),
    ...(lockTimeoutMs !== undefined && { lockTimeoutMs }),
  })
  const options = { now, ...(signal && { signal }) }
  if (adopt === undefined) {
    return new PartitionMaintainer(service).runMaintenanceSafe({ ...config, schema }, options)
  }
  await service.adoptPartition({ ...config, schema }, adopt, options)
  return undefined
}

export function serviceOn({
  client,
  interrupted,
  lockTimeoutMs,
  statementTimeoutMs,
}: Pick<RunPlace, 'client' | 'interrupted' | 'statementTimeoutMs'> &
  Pick<ScenarioRun, 'lockTimeoutMs'>): PartitionLifecycleService {
  const limits = {
    ...(lockTimeoutMs !== undefined && { lockTimeoutMs }),
    ...(statementTimeoutMs !== undefined && { statementTimeoutMs }),
  }
  return new PartitionLifecycleService({
    repo: new PostgresPartitionRepository(interrupted, limits),
    metadata: new PostgresMetadataProvider(client),
    locks: new PostgresAdvisoryLockManager(client),
  })
}
