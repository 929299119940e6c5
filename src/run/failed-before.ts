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

/** The configuration of a target of a fleet, whatever stands in its place. */
export function configIn(target: unknown): unknown {
  return valueIn(target, 'config')
}

function textIn(config: unknown, key: 'schema' | 'tableName'): string | undefined {
  const value = valueIn(config, key)
  return typeof value === 'string' ? value : undefined
}

/** A property can throw when it is read, and this is asked where something has failed already. */
function valueIn(holder: unknown, key: string): unknown {
  try {
    return typeof holder === 'object' && holder !== null ? Reflect.get(holder, key) : undefined
  } catch {
    return undefined
  }
}
