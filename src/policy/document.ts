import { formatTableName } from '../model/table-name.ts'
import { isTimeZone } from '../model/time-zone.ts'
import { TablePartitionConfig } from './config.ts'
import { zoneDisagreement } from './ddl-zone.ts'
import type { ConfiguredTable, HookPhase, PartsmithConfig, SharedTableOptions } from './options.ts'
import { type LocatedProblem, problemsOf } from './problem.ts'
import { documentSchema, hookPhases, optionDefaults } from './schema.ts'

/** A configuration file after parsing: complete, trusted and frozen. */
export interface PartsmithDocument {
  readonly connection: { readonly url: string | undefined }
  readonly tables: readonly DocumentTable[]
  readonly runtime: RuntimeSettings
  readonly hooks: CommandHookSettings
}

export interface DocumentTable {
  readonly config: TablePartitionConfig
  /** The file says that this table may be detached and dropped from without `--allow-destructive`. */
  readonly allowDestructive: boolean
}

export interface RuntimeSettings {
  readonly markerPrefix: string
  readonly lockPrefix: string
  /** Null leaves the session's TimeZone as it is. */
  readonly ddlTimezone: string | null
  readonly lockTimeoutMs: number
  readonly statementTimeoutMs: number
  readonly giveUpAfterMs: number
  readonly dropAllowUnmanaged: boolean
}

export interface CommandHookSettings {
  /** How long one command may run. */
  readonly timeoutSeconds: number
  /** Argument vectors by phase, with at least a program in each. */
  readonly commands: Readonly<Partial<Record<HookPhase, readonly string[]>>>
}

export type ParsedDocument =
  | { readonly document: PartsmithDocument }
  | { readonly problems: readonly LocatedProblem[] }

/**
 * Parses a configuration file, whatever it was read from.
 *
 * `defaults` are merged into the tables key by key. Gives every problem there is, each once: one in `defaults` at its
 * own path, and not again for the tables that it is merged into.
 */
export function parseDocument(value: unknown): ParsedDocument {
  const { data, error } = documentSchema.safeParse(value)
  const raw = rawDocument(value)
  const problems = [
    ...problemsOf(error),
    ...missingOptions(raw),
    ...repeatedTables(raw),
    ...zoneConflicts(raw),
  ]
  if (data === undefined || problems.length > 0) return { problems }
  const runtime = runtimeSettings(data)
  const tables = data.tables.map((table) => documentTable(table, data.defaults ?? {}))
  return {
    document: Object.freeze({
      connection: Object.freeze({ url: data.connection?.url }),
      tables: Object.freeze(tables),
      runtime,
      hooks: hookSettings(data),
    }),
  }
}

function documentTable(table: ConfiguredTable, defaults: SharedTableOptions): DocumentTable {
  const { allowDestructive = optionDefaults.allowDestructive, ...own } = table
  const { partitionColumn = '', ...merged } = { ...own, ...given(defaults), ...given(own) }
  return Object.freeze({ config: new TablePartitionConfig({ ...merged, partitionColumn }), allowDestructive })
}

function runtimeSettings({ runtime = {} }: PartsmithConfig): RuntimeSettings {
  const { ddlTimezone = optionDefaults.ddlTimezone } = runtime
  return Object.freeze({
    markerPrefix: runtime.markerPrefix ?? optionDefaults.markerPrefix,
    lockPrefix: runtime.lockPrefix ?? optionDefaults.lockPrefix,
    ddlTimezone,
    lockTimeoutMs: runtime.lockTimeoutMs ?? optionDefaults.lockTimeoutMs,
    statementTimeoutMs: runtime.statementTimeoutMs ?? optionDefaults.statementTimeoutMs,
    giveUpAfterMs: runtime.giveUpAfterMs ?? optionDefaults.giveUpAfterMs,
    dropAllowUnmanaged: runtime.dropAllowUnmanaged ?? optionDefaults.dropAllowUnmanaged,
  })
}

function hookSettings({ hooks = {} }: PartsmithConfig): CommandHookSettings {
  const { timeoutSeconds = optionDefaults.timeoutSeconds, ...vectors } = hooks
  const commands: Partial<Record<HookPhase, readonly string[]>> = {}
  for (const phase of hookPhases) {
    const vector = vectors[phase]
    if (vector !== undefined) commands[phase] = Object.freeze([...vector])
  }
  return Object.freeze({ timeoutSeconds, commands: Object.freeze(commands) })
}

/** Only the keys that have a value: one that is undefined was left out, and must not hide a default. */
function given<T extends object>(options: T): Partial<T>
function given(options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
}

/**
 * What can be seen of a document that may be invalid: its tables with `defaults` merged in.
 *
 * Rules about several values are checked on it, so that they are reported beside what is wrong with single values.
 */
interface RawDocument {
  readonly tables: readonly { readonly index: number; readonly options: Readonly<Record<string, unknown>> }[]
  readonly ddlTimezone: unknown
}

function rawDocument(value: unknown): RawDocument {
  const { tables, defaults, runtime } = recordOf(value)
  return {
    ddlTimezone: { ...optionDefaults, ...given(recordOf(runtime)) }.ddlTimezone,
    tables: (Array.isArray(tables) ? tables : []).flatMap((table: unknown, index) =>
      isRecord(table) ? [{ index, options: { ...given(recordOf(defaults)), ...given(table) } }] : [],
    ),
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return isRecord(value) ? value : {}
}

/** What every table needs and may have from `defaults`. */
const needed = {
  partitionColumn: "the name of the partition key's column",
  granularity: 'how long one partition is, such as "month"',
} as const

function missingOptions({ tables }: RawDocument): readonly LocatedProblem[] {
  return tables.flatMap(({ index, options }) =>
    Object.entries(needed)
      .filter(([key]) => !(key in options))
      .map(([key, what]) => ({
        path: ['tables', index, key],
        message: `It is missing, here and in \`defaults\`: expected ${what}.`,
        at: 'value' as const,
      })),
  )
}

function repeatedTables({ tables }: RawDocument): readonly LocatedProblem[] {
  const first = new Map<string, number>()
  return tables.flatMap(({ index, options }) => {
    const { schema = optionDefaults.schema, tableName } = options
    if (typeof schema !== 'string' || typeof tableName !== 'string') return []
    const name = formatTableName({ schema, name: tableName })
    const earlier = first.get(name)
    if (earlier === undefined) first.set(name, index)
    return earlier === undefined
      ? []
      : [
          {
            path: ['tables', index, 'tableName'],
            message: `${name} is configured twice: it is tables[${earlier}] already. Keep one of them.`,
            at: 'value' as const,
          },
        ]
  })
}

function zoneConflicts({ tables, ddlTimezone }: RawDocument): readonly LocatedProblem[] {
  return tables.flatMap(({ index, options: { timeZone = optionDefaults.timeZone } }) => {
    const message =
      isZone(timeZone) && isZone(ddlTimezone) ? zoneDisagreement(timeZone, ddlTimezone) : undefined
    return message === undefined
      ? []
      : [{ path: ['tables', index, 'timeZone'], message, at: 'value' as const }]
  })
}

function isZone(value: unknown): value is string {
  return typeof value === 'string' && isTimeZone(value)
}
