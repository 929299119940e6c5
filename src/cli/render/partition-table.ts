import type { PartitionInfo, PartitionState } from '../../index.ts'
import { alignColumns, alignWithin, displayWidth } from './columns.ts'
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

/** The partitions as a table, oldest first; DEFAULT and detached tables at the end. Never wider than the page. */
export function renderPartitions(
  partitions: readonly PartitionInfo[],
  page: Page,
  { timeZone, all }: PartitionTableOptions,
): readonly string[] {
  const { style, columns } = page
  if (partitions.length === 0) return [`  ${style.muted('There are no partitions.')}`]
  const shorten = !all && partitions.length > longest
  const shown = shorten
    ? [...partitions.slice(0, shownAtEnds), ...partitions.slice(-shownAtEnds)]
    : partitions
  const wide = layOut(shown, { page, timeZone, dates: true })
  const tooWide = wide.some((lines) => lines.some((line) => displayWidth(line) > columns))
  const [title = [], ...lines] = tooWide ? layOut(shown, { page, timeZone, dates: false }) : wide
  const left = partitions.length - 2 * shownAtEnds
  return [
    ...title.map((line) => style.muted(line)),
    ...(shorten
      ? [
          ...lines.slice(0, shownAtEnds).flat(),
          style.muted(`  .. ${formatCount(left)} more; --verbose shows them`),
          ...lines.slice(shownAtEnds).flat(),
        ]
      : lines.flat()),
  ]
}

/** The lines of the titles and of each partition; without `dates`, days of detaching stand on lines of their own. */
function layOut(
  partitions: readonly PartitionInfo[],
  about: { readonly page: Page; readonly timeZone: string; readonly dates: boolean },
): readonly (readonly string[])[] {
  const { page, timeZone, dates } = about
  const rows = partitions.map((partition) => [
    partitionText(partition, partition.parent),
    rangeOf(partition, timeZone),
    paintState(page.style, partition, dates ? sinceOf(partition) : ''),
    partition.rowEstimate === undefined ? '' : `~${formatCount(partition.rowEstimate)}`,
    partition.sizeBytes === undefined ? '' : formatSize(partition.sizeBytes),
  ])
  const head = ['partition', 'range', 'state', 'rows', 'size'].map((title, column) =>
    rows.some((row) => row[column] !== '') ? title : '',
  )
  const options = { indent: '  ', right: [3, 4] }
  if (dates) return alignColumns([head, ...rows], options).map((line) => [line])
  const [title = [], ...lines] = alignWithin([head, ...rows], {
    ...options,
    columns: page.columns,
    cuts: [1],
    rest: '      ',
  })
  return [
    title,
    ...lines.map((each, index) => {
      const since = sinceOf(partitions[index])
      return since === '' ? each : [...each, page.style.muted(`      since${since}`)]
    }),
  ]
}

/** To the day: how long a table has to go is what counts. */
function sinceOf(partition: PartitionInfo | undefined): string {
  return partition?.detachedAt === undefined ? '' : ` ${printable(partition.detachedAt.slice(0, 10))}`
}

function rangeOf({ state, boundText }: PartitionInfo, timeZone: string): string {
  if (state === 'default') return 'everything else'
  const edges = edgesOf(boundText)
  return edges ? formatRange(edges, timeZone) : printable(boundText ?? '')
}

function paintState(style: Style, { state }: PartitionInfo, since: string): string {
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
  return style[paint[state]](`${state}${since}`)
}
