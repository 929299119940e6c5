import {
  calculatorFor,
  Instant,
  type PartitionGranularity,
  type PartitionTree,
  type TableName,
} from '../../index.ts'
import { edgesOf, positionOf } from '../render/moment.ts'
import { counted } from '../render/quantities.ts'
import { likelyZones } from './likely-zones.ts'

/** What a table's configuration is, as far as the table itself says it; or why there is none. */
export type DerivedTable =
  | {
      readonly kind: 'table'
      readonly table: TableName
      readonly partitionColumn: string
      readonly granularity: PartitionGranularity
      readonly timeZone: string
      /** Sentences for the comment above the table. */
      readonly notes: readonly string[]
    }
  | { readonly kind: 'left-out'; readonly table: TableName; readonly reason: string }

/** The range of a partition as two positions on the key's line. */
interface Span {
  readonly from: bigint
  readonly to: bigint
}

interface Fit {
  readonly granularity: PartitionGranularity
  readonly timeZone: string
  readonly count: number
}

const granularities: readonly PartitionGranularity[] = ['hour', 'day', 'week', 'month', 'quarter', 'year']

/** Of a long table, this many of the newest partitions are looked at, and as many spread over the rest. */
const mostOfEach = 100

/**
 * Reads column, granularity and zone from a table and its partitions; the bounds decide, never the names.
 *
 * `hostZone` is the zone of this machine, which wins over others that fit as well.
 */
export function deriveTable(tree: PartitionTree, { hostZone }: { readonly hostZone: string }): DerivedTable {
  const table = tree.parent.name
  const obstacle = whyNot(tree)
  const [column] = tree.parent.key
  if (obstacle !== undefined || column?.name === undefined) {
    return { kind: 'left-out', table, reason: obstacle ?? 'its key is an expression' }
  }
  const spans = spansOf(tree)
  if (spans.length === 0) {
    return {
      kind: 'left-out',
      table,
      reason: `${whyNoSpans(tree)}, so it cannot be seen how long one is; add it by hand with its granularity (column ${column.name})`,
    }
  }
  const instants = column.type === 'timestamp with time zone'
  const { fit, others } = bestFit(spans, instants ? likelyZones(hostZone) : ['UTC'])
  if (!fit) {
    return {
      kind: 'left-out',
      table,
      reason: 'its partitions fit no hour, day, week, month, quarter or year',
    }
  }
  return {
    kind: 'table',
    table,
    partitionColumn: column.name,
    granularity: fit.granularity,
    timeZone: fit.timeZone,
    notes: [
      ...(fit.count < spans.length
        ? [
            `Of ${counted(spans.length, 'partition')} that were looked at, ${fit.count} fit this calendar; the others are left as they are.`,
          ]
        : []),
      ...(fit.timeZone === 'UTC'
        ? []
        : [
            `The zone is read from the bounds.${describeOthers(others)} Check that it is the one that was meant.`,
          ]),
      ...(instants || fit.granularity === 'hour'
        ? []
        : [
            'The key has no zone: set timeZone to the one that its values are written in, and runtime.ddlTimezone to the same (null where tables have several).',
          ]),
    ],
  }
}

function whyNoSpans({ partitions }: PartitionTree): string {
  return partitions.some(({ boundText }) => edgesOf(boundText) !== undefined)
    ? 'its partitions are open-ended (MINVALUE or MAXVALUE)'
    : 'it has no partition with a range yet'
}

function describeOthers(others: readonly string[]): string {
  const [one, ...more] = others
  if (one === undefined) return ''
  return more.length === 0 ? ` ${one} fits as well.` : ` ${one} and ${more.length} more fit as well.`
}

function whyNot({ parent }: PartitionTree): string | undefined {
  if (parent.method !== 'range') return `it is partitioned by ${parent.method.toUpperCase()}`
  if (parent.key.length !== 1) return `its key has ${parent.key.length} columns`
  const [column] = parent.key
  if (column?.name === undefined) return 'its key is an expression'
  if (!['timestamp with time zone', 'timestamp without time zone', 'date'].includes(column.type)) {
    return `its key ${column.name} is of type ${column.type}, and this version maintains times`
  }
  return undefined
}

/** The ranges of partitions with two finite ends, oldest first. */
function spansOf({ partitions }: PartitionTree): readonly Span[] {
  const spans = partitions
    .flatMap(({ boundText }) => {
      const edges = edgesOf(boundText)
      const from = edges && positionOf(edges.from)
      const to = edges && positionOf(edges.to)
      return from === undefined || to === undefined ? [] : [{ from, to }]
    })
    .sort((a, b) => (a.from < b.from ? -1 : 1))
  // Zones that agree in winter may differ in summer, so the older ones count too.
  const older = spans.slice(0, -mostOfEach)
  const step = Math.ceil(older.length / mostOfEach)
  return [...older.filter((_, index) => index % step === 0), ...spans.slice(-mostOfEach)]
}

/** The calendar that most partitions are periods of; of several zones the first, with the names of the others. */
function bestFit(
  spans: readonly Span[],
  zones: readonly string[],
): { readonly fit: Fit | undefined; readonly others: readonly string[] } {
  let best: Fit | undefined
  const others: string[] = []
  for (const timeZone of zones) {
    // A zone in which the newest partition does not begin with a day can only tell hours, and UTC tells those.
    if (timeZone !== 'UTC' && !beginsDay(spans.at(-1), timeZone)) continue
    const wanted = best === undefined || best.timeZone === 'UTC' ? granularities : [best.granularity]
    const fit = fitIn(spans, timeZone, wanted)
    if (!fit) continue
    if (best === undefined || fit.count > best.count) {
      best = fit
      others.length = 0
    } else if (fit.count === best.count) {
      others.push(timeZone)
    }
    if (best.timeZone === 'UTC' && best.count === spans.length) break
  }
  return { fit: best, others }
}

function fitIn(
  spans: readonly Span[],
  timeZone: string,
  wanted: readonly PartitionGranularity[],
): Fit | undefined {
  const fits = wanted.map((granularity) => {
    const calculator = calculatorFor(granularity, timeZone)
    const count = spans.filter(({ from, to }) => {
      const { start, end } = calculator.currentPeriod(Instant.fromMicroseconds(from))
      return start.epochMicroseconds === from && end.epochMicroseconds === to
    }).length
    return { granularity, timeZone, count }
  })
  const best = fits.reduce<Fit | undefined>(
    (most, fit) => (fit.count > (most?.count ?? 0) ? fit : most),
    undefined,
  )
  return best
}

function beginsDay(span: Span | undefined, timeZone: string): boolean {
  if (span === undefined) return false
  const { start } = calculatorFor('day', timeZone).currentPeriod(Instant.fromMicroseconds(span.from))
  return start.epochMicroseconds === span.from
}
