import type { PartitionInfo, PartitionState } from '../../index.ts'
import { alignColumns } from './columns.ts'
import { edgesOf, formatRange } from './moment.ts'
import { partitionText, printable } from './printable.ts'
import { formatCount, formatSize } from './quantities.ts'
import type { Page, Style } from './style.ts'

const longest = 30
const shownAtEnds = 10

export interface PartitionTableOptions {
  readonly timeZone: string
  /** Shows every partition; otherwise the middle of a long list is left out. */
  readonly all: boolean
}

/** The partitions as a table, oldest first; DEFAULT and detached tables at the end. */
export function renderPartitions(
  partitions: readonly PartitionInfo[],
  { style }: Page,
  { timeZone, all }: PartitionTableOptions,
): readonly string[] {
  if (partitions.length === 0) return [`  ${style.muted('There are no partitions.')}`]
  const shorten = !all && partitions.length > longest
  const rows = (
    shorten ? [...partitions.slice(0, shownAtEnds), ...partitions.slice(-shownAtEnds)] : partitions
  ).map((partition) => [
    partitionText(partition, partition.parent),
    rangeOf(partition, timeZone),
    paintState(style, partition),
    partition.rowEstimate === undefined ? '' : `~${formatCount(partition.rowEstimate)}`,
    partition.sizeBytes === undefined ? '' : formatSize(partition.sizeBytes),
  ])
  const head = ['partition', 'range', 'state', 'rows', 'size'].map((title, column) =>
    rows.some((row) => row[column] !== '') ? title : '',
  )
  const [title = '', ...lines] = alignColumns([head, ...rows], { indent: '  ', right: [3, 4] })
  const left = partitions.length - 2 * shownAtEnds
  return [
    style.muted(title),
    ...(shorten
      ? [
          ...lines.slice(0, shownAtEnds),
          style.muted(`  .. ${formatCount(left)} more; --verbose shows them`),
          ...lines.slice(shownAtEnds),
        ]
      : lines),
  ]
}

function rangeOf({ state, boundText }: PartitionInfo, timeZone: string): string {
  if (state === 'default') return 'everything else'
  const edges = edgesOf(boundText)
  return edges ? formatRange(edges, timeZone) : printable(boundText ?? '')
}

function paintState(style: Style, { state, detachedAt }: PartitionInfo): string {
  const paint: Readonly<Record<PartitionState, keyof Style>> = {
    missing: 'warning',
    expired: 'danger',
    past: 'muted',
    current: 'good',
    future: 'notice',
    default: 'muted',
    unmanaged: 'odd',
    'detach-pending': 'warning',
    detached: 'muted',
    'half-built': 'warning',
  }
  // To the day: how long a table has to go is what counts.
  const since = detachedAt === undefined ? '' : ` ${printable(detachedAt.slice(0, 10))}`
  return style[paint[state]](`${state}${since}`)
}
