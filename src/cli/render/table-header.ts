import type { TablePartitionConfig } from '../../index.ts'
import type { Page } from './style.ts'
import { tableText } from './printable.ts'
import { displayWidth } from './columns.ts'
import { formatChosenSpan } from './quantities.ts'

/** The first line of everything about a table: its name, how it is cut, and what is wanted of it. */
export function tableHeader(config: TablePartitionConfig, { style, columns }: Page): readonly string[] {
  const name = tableText(config.table)
  const parts = describeWishes(config)
  const line = [style.heading(name), ...parts].join('  ')
  return displayWidth(line) <= columns ? [line] : [style.heading(name), `  ${parts.join('  ')}`]
}

function describeWishes(config: TablePartitionConfig): readonly string[] {
  const { granularity, timeZone, partitionColumn, createAheadCount, retentionCount, lifecycle } = config
  const zone = timeZone === 'UTC' ? '' : ` in ${timeZone}`
  return [
    `${config.partitionType} (${partitionColumn})${granularity === undefined ? '' : ` by ${granularity}`}${zone}`,
    `create-ahead ${createAheadCount}`,
    ...(retentionCount === undefined
      ? ['nothing expires']
      : [`keep ${retentionCount}`, describeDrop(lifecycle.drop)]),
  ]
}

function describeDrop(drop: TablePartitionConfig['lifecycle']['drop']): string {
  if (drop.kind === 'never') return 'never drop'
  return drop.graceMicros === 0n ? 'drop at once' : `drop after ${formatChosenSpan(drop.graceMicros)}`
}
