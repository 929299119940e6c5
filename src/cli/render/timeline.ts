import { Instant, type PartitionInfo, type PartitionState, type TableInspection } from '../../index.ts'
import { displayWidth } from './columns.ts'
import { edgesOf, formatEdge, formatInstant, hasOffset, positionOf } from './moment.ts'
import { counted } from './quantities.ts'
import type { Page, Style } from './style.ts'

/** What a block of the picture stands for; `gap` is a range without a partition between two that exist. */
type CellState =
  | Extract<
      PartitionState,
      'missing' | 'expired' | 'past' | 'current' | 'future' | 'unmanaged' | 'detach-pending'
    >
  | 'gap'

interface Cell {
  readonly state: CellState
  readonly from: string
  readonly to: string
}

interface Look {
  readonly block: string
  readonly word: string
  readonly paint: keyof Style
}

/** In the order of the legend. The shapes differ too, for those who see no colours. */
const looks: Readonly<Record<CellState, Look>> = {
  expired: { block: '░', word: 'expired', paint: 'danger' },
  past: { block: '▒', word: 'past', paint: 'muted' },
  current: { block: '█', word: 'current', paint: 'good' },
  future: { block: '▓', word: 'future', paint: 'notice' },
  missing: { block: '·', word: 'missing', paint: 'warning' },
  gap: { block: ' ', word: 'no partition', paint: 'muted' },
  unmanaged: { block: '▚', word: 'not managed', paint: 'odd' },
  'detach-pending': { block: '≈', word: 'detach pending', paint: 'warning' },
}

/** Where several partitions share a block, it shows the one that a person should see first. */
const urgency: readonly CellState[] = [
  'missing',
  'gap',
  'detach-pending',
  'current',
  'expired',
  'unmanaged',
  'future',
  'past',
]

const widestCell = 4

/** A picture of the partitions on one line of time, with now marked, never wider than the page. */
export function renderTimeline(
  inspection: TableInspection,
  page: Page,
  options: { readonly timeZone: string },
): readonly string[] {
  const cells = cellsOf(inspection.partitions)
  const [first] = cells
  const last = cells.at(-1)
  if (!first || !last) return []
  const { style } = page
  const room = Math.max(20, page.columns - 4)
  const perBlock = Math.ceil(cells.length / room)
  const groups = perBlock === 1 ? cells.map((cell) => [cell]) : chunked(cells, perBlock)
  const width = Math.max(1, Math.min(widestCell, Math.floor(room / groups.length)))
  const states = groups.map((group) => mostUrgent(group.map(({ state }) => state)))
  const bar = states
    .map((state) => {
      const { block, paint } = looks[state]
      // From two columns on, the last one is left free, so that partitions are seen apart.
      const body = width === 1 ? block : block.repeat(width - 1)
      return style[paint](body) + (width === 1 ? '' : ' ')
    })
    .join('')
  const from = formatEdge(first.from, options.timeZone)
  const to = formatEdge(last.to, options.timeZone)
  const length = Math.max(groups.length * width, displayWidth(from) + displayWidth(to) + 2)
  return [
    `  ${style.muted(from + ' '.repeat(length - displayWidth(from) - displayWidth(to)) + to)}`,
    `  ${bar.trimEnd()}`,
    // Whether the line is one of time is not known where the table is not as configured.
    ...(inspection.periodsUnknown === true
      ? []
      : nowLine(inspection, { groups, width, page, timeZone: options.timeZone })),
    ...legend(states, perBlock, page),
  ]
}

/** The attached partitions with two finite ends, the missing ones, and the gaps between them, in order. */
function cellsOf(partitions: readonly PartitionInfo[]): readonly Cell[] {
  const cells: Cell[] = []
  for (const { state, boundText } of partitions) {
    if (state === 'default' || state === 'detached' || state === 'half-built') continue
    const edges = edgesOf(boundText)
    if (!edges) continue
    const before = cells.at(-1)
    if (before && orderOf(edges.from) > orderOf(before.to)) {
      cells.push({ state: 'gap', from: before.to, to: edges.from })
    }
    cells.push({ state, ...edges })
  }
  return cells
}

/** The place of an edge on the line; MINVALUE and infinity lie at its ends. */
function orderOf(edge: string): number {
  if (/^-infinity$|^MINVALUE$/.test(edge)) return Number.NEGATIVE_INFINITY
  const place = positionOf(edge)
  return place === undefined ? Number.POSITIVE_INFINITY : Number(place)
}

function chunked(cells: readonly Cell[], size: number): readonly (readonly Cell[])[] {
  return Array.from({ length: Math.ceil(cells.length / size) }, (_, index) =>
    cells.slice(index * size, (index + 1) * size),
  )
}

function mostUrgent(states: readonly CellState[]): CellState {
  return urgency.find((state) => states.includes(state)) ?? 'past'
}

function nowLine(
  inspection: TableInspection,
  drawing: {
    readonly groups: readonly (readonly Cell[])[]
    readonly width: number
    readonly page: Page
    readonly timeZone: string
  },
): readonly string[] {
  const { groups, width, page, timeZone } = drawing
  const now = Instant.from(inspection.server.now)
  const onLine = lineOf(now, groups, timeZone)
  const place = groups.findIndex((group) => {
    const from = group[0]?.from ?? ''
    const to = group.at(-1)?.to ?? ''
    return orderOf(from) <= onLine && onLine < orderOf(to)
  })
  if (place < 0) return []
  const column = 2 + place * width + withinCell(groups[place] ?? [], onLine, width)
  // To the minute: the picture is no clock.
  const minute = Instant.fromMicroseconds(now.epochMicroseconds - (now.epochMicroseconds % 60_000_000n))
  const label = `now ${formatInstant(minute, timeZone)}`
  const text =
    column + 2 + label.length <= page.columns
      ? `${' '.repeat(column)}▲ ${label}`
      : `${' '.repeat(Math.max(0, column - label.length - 1))}${label} ▲`
  return [page.style.heading(text)]
}

/** The keys of `timestamp` and `date` tables see the wall clock of the calendar's zone. */
function lineOf(now: Instant, groups: readonly (readonly Cell[])[], timeZone: string): number {
  const edges = groups.flat().flatMap(({ from, to }) => [from, to])
  if (timeZone === 'UTC' || edges.some((edge) => hasOffset(edge))) return Number(now.epochMicroseconds)
  const wall = formatInstant(now, timeZone).replace(/[+-]\d\d:\d\d$/, '')
  return Number(positionOf(wall) ?? now.epochMicroseconds)
}

function withinCell(group: readonly Cell[], now: number, width: number): number {
  const from = orderOf(group[0]?.from ?? '')
  const to = orderOf(group.at(-1)?.to ?? '')
  const share = (now - from) / (to - from)
  return Number.isFinite(share) ? Math.min(width - 1, Math.floor(share * Math.max(1, width - 1))) : 0
}

function legend(states: readonly CellState[], perBlock: number, { style, columns }: Page): readonly string[] {
  const items = Object.entries(looks)
    .filter(([state]) => states.some((seen) => seen === state))
    .map(([state, { block, word, paint }]) =>
      state === 'gap' ? `blank: ${word}` : `${style[paint](block)} ${word}`,
    )
  if (perBlock > 1) items.push(style.muted(`one block = ${counted(perBlock, 'partition')}`))
  const lines: string[] = []
  for (const item of items) {
    const line = lines.at(-1)
    const longer = line === undefined ? `  ${item}` : `${line}   ${item}`
    if (line === undefined || displayWidth(longer) > columns) lines.push(`  ${item}`)
    else lines[lines.length - 1] = longer
  }
  return lines
}
