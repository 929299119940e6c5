import { InvalidPartitionConfigError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import { RunRecord } from './run-record.ts'
import type { RunOutcome } from './run-outcome.ts'

/** The outcome for a table that never came to a run: its configuration did not parse, or nothing could be read. */
export function failedBefore(config: unknown, error: unknown): RunOutcome {
  const record = new RunRecord(tableNameIn(config))
  record.ended(error)
  const readable = record.error
  if (readable instanceof InvalidPartitionConfigError) record.issue('config', { error: readable })
  return { result: record.result(), error: record.error }
}

/** Also of what is no configuration at all: whoever calls from JavaScript can pass anything. */
export function tableNameIn(config: unknown): TableName {
  return { schema: textIn(config, 'schema') ?? 'public', name: textIn(config, 'tableName') ?? '' }
}

/** A property can throw when it is read, and this is asked where something has failed already. */
function textIn(config: unknown, key: 'schema' | 'tableName'): string | undefined {
  try {
    const value: unknown =
      typeof config === 'object' && config !== null ? Reflect.get(config, key) : undefined
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined
  }
}
