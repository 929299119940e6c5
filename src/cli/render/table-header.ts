import type { TablePartitionConfig } from '../../index.ts'
import type { Page } from './style.ts'
import { tableText } from './printable.ts'
import { displayWidth, flow } from './columns.ts'
import { formatChosenSpan } from './quantities.ts'

export interface TableWishes {
  readonly config: TablePartitionConfig
  /** Whether the configuration lets rows be taken away without the flag. */
  readonly allowDestructive?: boolean
}

/** The first line of everything about a table: its name, how it is cut, and what is wanted of it. */
export function tableHeader(wishes: TableWishes, { style, columns }: Page): readonly string[] {
  const name = tableText(wishes.config.table)
  const parts = describeWishes(wishes)
  const line = [style.heading(name), ...parts].join('  ')
  return displayWidth(line) <= columns
    ? [line]
    : [style.heading(name), ...flow(parts, { indent: '  ', columns })]
}

function describeWishes({ config, allowDestructive = false }: TableWishes): readonly string[] {
  const { granularity, timeZone, partitionColumn, createAheadCount, retentionCount, lifecycle } = config
  const zone = timeZone === 'UTC' ? '' : ` in ${timeZone}`
  const { drop } = lifecycle
  // What was detached before, or adopted, is dropped also where nothing expires.
  const usual = drop.kind === 'after' && drop.graceMicros === 0n
  const takesAway = retentionCount !== undefined || drop.kind !== 'never'
  return [
    `${config.partitionType} (${partitionColumn})${granularity === undefined ? '' : ` by ${granularity}`}${zone}`,
    `create-ahead ${createAheadCount}`,
    retentionCount === undefined ? 'nothing expires' : `keep ${retentionCount}`,
    ...(retentionCount === undefined && usual ? [] : [describeDrop(drop)]),
    ...(allowDestructive && takesAway
      ? [drop.kind === 'never' ? 'detaches without asking' : 'drops without asking']
      : []),
  ]
}

function describeDrop(drop: TablePartitionConfig['lifecycle']['drop']): string {
  if (drop.kind === 'never') return 'never drop'
  return drop.graceMicros === 0n ? 'drop at once' : `drop after ${formatChosenSpan(drop.graceMicros)}`
}
