import { InvalidPartitionConfigError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import { TablePartitionConfig } from '../policy/config.ts'
import { RunRecord } from './run-record.ts'
import type { RunOutcome } from './run-outcome.ts'

/** The outcome for a table that never came to a run: its configuration did not parse, or nothing could be read. */
export function failedBefore(config: unknown, error: unknown): RunOutcome {
  const record = new RunRecord(tableNameIn(config))
  record.ended(error)
  if (error instanceof InvalidPartitionConfigError) record.issue('config', { error })
  return { result: record.result(), error: record.error }
}

/** Also of what is no configuration at all: whoever calls from JavaScript can pass anything. */
export function tableNameIn(config: unknown): TableName {
  if (config instanceof TablePartitionConfig) return config.table
  const text = (key: string, otherwise: string): string => {
    const value: unknown =
      typeof config === 'object' && config !== null ? Reflect.get(config, key) : undefined
    return typeof value === 'string' ? value : otherwise
  }
  return { schema: text('schema', 'public'), name: text('tableName', '') }
}
