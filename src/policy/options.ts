/** The options of one table as a user writes them: untrusted until `TablePartitionConfig` has parsed them. */

import type { PartitionGranularity } from '../model/calendar.ts'
import type { PartitionType } from '../model/partition-tree.ts'
import type { Hazard } from './hazard.ts'

/** What decides where one partition ends and the next begins. */
export type PartitionStrategy = 'time-based'
export const PartitionStrategy = { TIME_BASED: 'time-based' } as const

/** How expired partitions are detached. */
export type DetachMode = 'auto' | 'concurrent' | 'blocking'

export interface TablePartitionOptions {
  /** The schema of the partitioned table. Names are always qualified; `search_path` plays no part. @default 'public' */
  readonly schema?: string | undefined
  /** The partitioned table, as `pg_class` spells it (no quotes). */
  readonly tableName: string
  /** The column of the partition key: timestamptz, timestamp or date. */
  readonly partitionColumn: string
  /** How long one partition is. Leave it out when the service is given a period calculator of your own. */
  readonly granularity?: PartitionGranularity | undefined
  /** The IANA zone in which days and months begin. @default 'UTC' */
  readonly timeZone?: string | undefined
  /** How many partitions exist from now on, the current one included. @default 3 */
  readonly createAheadCount?: number | undefined
  /** How many partitions are kept, the current one included. Absent: nothing ever expires. */
  readonly retentionCount?: number | undefined
  /** `auto` detaches concurrently where nobody waits for it: without a DEFAULT partition and without foreign keys. @default 'auto' */
  readonly detachMode?: DetachMode | undefined
  /**
   * How long a table stays detached before it is dropped: `'7 days'`, `'P7D'`, `'12 hours'`; `'never'` keeps it.
   * @default '0 seconds', in the same run as the detach
   */
  readonly dropAfter?: string | undefined
  /** The most rows that are moved from DEFAULT into a new partition, in one short transaction. @default 10000 */
  readonly maxRowsFromDefault?: number | undefined
  /**
   * The costs and risks that operations may have; what has another is not planned, and a finding says so. An empty list
   * allows only operations without any.
   * @default all of them
   */
  readonly allowHazards?: readonly Hazard[] | undefined
  /** Only checked against the table. @default 'range' */
  readonly partitionType?: PartitionType | undefined
  /** Only checked. @default 'time-based' */
  readonly partitionStrategy?: PartitionStrategy | undefined
}

/** A point of a partition's life at which a hook can run. */
export type HookPhase =
  | 'beforeCreate'
  | 'afterCreate'
  | 'beforeDetach'
  | 'afterDetach'
  | 'beforeDrop'
  | 'afterDrop'

/** What a table may have and `defaults` may give for all of them. */
export type SharedTableOptions = {
  readonly [Option in Exclude<keyof TablePartitionOptions, 'tableName'>]?:
    | TablePartitionOptions[Option]
    | undefined
}

/** One entry of `tables`; what it leaves out comes from `defaults`. */
export interface ConfiguredTable extends SharedTableOptions {
  /** The partitioned table, as `pg_class` spells it (no quotes). */
  readonly tableName: string
  /** Lets `apply` and `maintain` detach and drop here without `--allow-destructive`. @default false */
  readonly allowDestructive?: boolean | undefined
}

/** A configuration file as a user writes it: untrusted until `parseDocument` has parsed it. */
export interface PartsmithConfig {
  /** The JSON Schema of the file, for editors. */
  readonly $schema?: string | undefined
  readonly connection?: ConnectionOptions | undefined
  /** Options for every table that does not have its own. */
  readonly defaults?: SharedTableOptions | undefined
  /** The tables to maintain, each relation once. */
  readonly tables: readonly ConfiguredTable[]
  readonly runtime?: RuntimeOptions | undefined
  readonly hooks?: CommandHookOptions | undefined
}

export interface ConnectionOptions {
  /** The database. `--url` and the environment come before it; keep passwords there. */
  readonly url?: string | undefined
}

export interface RuntimeOptions {
  /** What the marker in the COMMENT of a detached table begins with. @default 'pg-partsmith' */
  readonly markerPrefix?: string | undefined
  /** What the names of locks begin with. @default 'pg-partsmith' */
  readonly lockPrefix?: string | undefined
  /**
   * The session's TimeZone while partitions are attached and rows are moved; null leaves it as it is. Where it is
   * given, every table's `timeZone` has to be the same.
   * @default 'UTC'
   */
  readonly ddlTimezone?: string | null | undefined
  /** How long a statement waits for a lock before it gives way, in milliseconds. @default 100 */
  readonly lockTimeoutMs?: number | undefined
  /** How long a statement may run, in milliseconds. A concurrent detach is never cut short. @default 10000 */
  readonly statementTimeoutMs?: number | undefined
  /** How long a run tries again for locks of one table that are not free. @default 15000 */
  readonly giveUpAfterMs?: number | undefined
  /** Lets a table be dropped that carries no marker. @default false */
  readonly dropAllowUnmanaged?: boolean | undefined
}

/** Commands as argument vectors, which get the event as JSON on standard input. */
export interface CommandHookOptions extends Partial<Record<HookPhase, readonly string[] | undefined>> {
  /** How long one command may run, in seconds, before it is killed and counts as failed. @default 300 */
  readonly timeoutSeconds?: number | undefined
}
