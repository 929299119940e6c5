import { type ConfigProblem, InvalidPartitionConfigError } from '../errors.ts'
import type { PartitionGranularity } from '../model/calendar.ts'
import { parseDuration } from '../model/duration.ts'
import { type TableName, formatTableName } from '../model/table-name.ts'
import { timeZoneNames } from '../model/time-zone.ts'
import type { Hazard } from './hazard.ts'
import type { DetachMode, PartitionStrategy, TablePartitionOptions } from './options.ts'
import { problemsOf, sayProblems } from './problem.ts'
import { optionDefaults, tableSchema } from './schema.ts'

/** Which partitions are made before they are needed. */
export type CreationRule = { readonly kind: 'ahead'; readonly count: number }

/** Which partitions are kept. */
export type RetentionRule =
  | { readonly kind: 'newest'; readonly count: number }
  | { readonly kind: 'everything' }

/** When a detached table is dropped. */
export type DropRule = { readonly kind: 'after'; readonly graceMicros: bigint } | { readonly kind: 'never' }

export interface PartitionLifecycle {
  readonly creation: CreationRule
  readonly retention: RetentionRule
  readonly detach: DetachMode
  readonly drop: DropRule
}

/**
 * What is wanted of one table: checked, complete and frozen.
 *
 * There is no other way to get one than from options; throws an `InvalidPartitionConfigError` that lists every problem.
 */
export class TablePartitionConfig {
  readonly schema: string
  readonly tableName: string
  /** `schema` and `tableName` together. */
  readonly table: TableName
  readonly partitionColumn: string
  /** Undefined where the service is given a period calculator. */
  readonly granularity: PartitionGranularity | undefined
  readonly timeZone: string
  readonly partitionType: 'range'
  readonly partitionStrategy: PartitionStrategy
  readonly maxRowsFromDefault: number
  /** Undefined: whatever an operation costs, it is planned. */
  readonly allowHazards: readonly Hazard[] | undefined
  readonly createAheadCount: number
  /** Undefined: nothing ever expires. */
  readonly retentionCount: number | undefined
  /** As it was written. Undefined: what is detached is dropped by the same run. */
  readonly dropAfter: string | undefined
  readonly lifecycle: PartitionLifecycle
  /** Private, so that an object that only looks like a config is not one. */
  readonly #canonical: Readonly<Record<string, unknown>>

  constructor(options: TablePartitionOptions) {
    const { data, error } = tableSchema.safeParse(options)
    if (data === undefined) throw notUsable(options, problemsOf(error))
    this.schema = data.schema ?? optionDefaults.schema
    this.tableName = data.tableName
    this.table = Object.freeze({ schema: this.schema, name: this.tableName })
    this.partitionColumn = data.partitionColumn
    this.granularity = data.granularity
    this.timeZone = usualSpelling(data.timeZone ?? optionDefaults.timeZone)
    this.partitionType = optionDefaults.partitionType
    this.partitionStrategy = optionDefaults.partitionStrategy
    this.maxRowsFromDefault = data.maxRowsFromDefault ?? optionDefaults.maxRowsFromDefault
    this.allowHazards = data.allowHazards && Object.freeze([...new Set(data.allowHazards)].sort())
    this.createAheadCount = data.createAheadCount ?? optionDefaults.createAheadCount
    this.retentionCount = data.retentionCount
    this.dropAfter = data.dropAfter
    this.lifecycle = Object.freeze({
      creation: Object.freeze({ kind: 'ahead', count: this.createAheadCount }),
      retention: Object.freeze(
        this.retentionCount === undefined
          ? { kind: 'everything' }
          : { kind: 'newest', count: this.retentionCount },
      ),
      detach: data.detachMode ?? optionDefaults.detachMode,
      drop: Object.freeze(dropRule(data.dropAfter ?? optionDefaults.dropAfter)),
    })
    this.#canonical = canonicalForm(this)
    Object.freeze(this)
  }

  /** Gives the config itself, or makes one from options. */
  static from(options: TablePartitionConfig | TablePartitionOptions): TablePartitionConfig {
    return TablePartitionConfig.#is(options) ? options : new TablePartitionConfig(options)
  }

  /** Lists every problem of the options and throws none; empty where a config can be made from them. */
  static problems(options: unknown): readonly ConfigProblem[] {
    return TablePartitionConfig.#is(options) ? [] : problemsOf(tableSchema.safeParse(options).error)
  }

  static #is(value: unknown): value is TablePartitionConfig {
    return typeof value === 'object' && value !== null && #canonical in value
  }

  /** Gives plain data that is the same for the same wishes, however they were written: the fingerprint is made of it. */
  toJSON(): Readonly<Record<string, unknown>> {
    return this.#canonical
  }
}

function canonicalForm(config: TablePartitionConfig): Readonly<Record<string, unknown>> {
  const { creation, retention, detach, drop } = config.lifecycle
  return Object.freeze({
    schema: config.schema,
    tableName: config.tableName,
    partitionColumn: config.partitionColumn,
    partitionType: config.partitionType,
    partitionStrategy: config.partitionStrategy,
    granularity: config.granularity ?? null,
    timeZone: config.timeZone,
    maxRowsFromDefault: config.maxRowsFromDefault,
    ...(config.allowHazards && { allowHazards: config.allowHazards }),
    lifecycle: Object.freeze({
      creation,
      retention,
      detach,
      drop:
        drop.kind === 'never' ? drop : Object.freeze({ ...drop, graceMicros: drop.graceMicros.toString() }),
    }),
  })
}

function dropRule(dropAfter: string): DropRule {
  return dropAfter === 'never'
    ? { kind: 'never' }
    : { kind: 'after', graceMicros: parseDuration(dropAfter) ?? 0n }
}

/** Zones are known by any upper and lower case; one spelling keeps two configs with the same meaning equal. */
function usualSpelling(timeZone: string): string {
  const lower = timeZone.toLowerCase()
  return timeZoneNames().find((name) => name.toLowerCase() === lower) ?? timeZone
}

function notUsable(options: unknown, problems: readonly ConfigProblem[]): InvalidPartitionConfigError {
  const what = `The configuration${nameIn(options)}`
  const message = sayProblems(problems, { single: `${what} cannot be used.`, several: `${what} has` })
  return new InvalidPartitionConfigError(message, { problems })
}

function nameIn(options: unknown): string {
  if (typeof options !== 'object' || options === null || !('tableName' in options)) return ''
  const { tableName: name } = options
  const schema =
    'schema' in options && typeof options.schema === 'string' ? options.schema : optionDefaults.schema
  return typeof name === 'string' && name !== '' ? ` of ${formatTableName({ schema, name })}` : ''
}
