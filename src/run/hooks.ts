import type { PartitionInfo } from '../plan/partition-info.ts'
import type { Operation, Reason } from '../plan/operation.ts'
import type { TableName } from '../model/table-name.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { HookPhase } from '../policy/options.ts'
import type { QueryResult } from './client.ts'

/** What a hook is told, the same for each of the six. */
export interface PartitionEvent {
  readonly phase: HookPhase
  readonly config: TablePartitionConfig
  /** The partitioned table. */
  readonly table: TableName
  readonly partition: PartitionInfo
  /** The partition's name without its schema. */
  readonly partitionName: string
  /** The literals of the bound; undefined where a detached table's bound is not known. */
  readonly fromValue: string | undefined
  readonly toValue: string | undefined
  /** Undefined in `beforeCreate`: the table does not exist yet. In `afterDrop`, the OID it had. */
  readonly oid: string | undefined
  readonly operation: Operation
  readonly reason: Reason
  /** Aborts when the run is stopped, the lock is lost, or the hook's time is over. */
  readonly signal: AbortSignal
  /** Reads from the database on a connection of the run, in a read-only transaction of its own. */
  readonly query: (text: string, values?: readonly unknown[]) => Promise<QueryResult>
}

/**
 * User code at the six points of a partition's life. Override what you need; the others do nothing.
 *
 * Each is called once per partition, outside any transaction, never while planning. A `before*` that throws refuses
 * the operation and the next run tries again; an `after*` that throws is logged and shown as a warning in the result.
 */
export class BasePartitionLifecycleHooks {
  async beforeCreate(_event: PartitionEvent): Promise<void> {}
  async afterCreate(_event: PartitionEvent): Promise<void> {}
  async beforeDetach(_event: PartitionEvent): Promise<void> {}
  async afterDetach(_event: PartitionEvent): Promise<void> {}
  /** The last chance to read the data. */
  async beforeDrop(_event: PartitionEvent): Promise<void> {}
  async afterDrop(_event: PartitionEvent): Promise<void> {}
}

/** Anything that has some of the six methods. */
export type PartitionLifecycleHooks = Partial<
  Record<HookPhase, (event: PartitionEvent) => Promise<void> | void>
>
