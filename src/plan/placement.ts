import type { KeyPosition, TimeKeyType } from '../model/key-codec.ts'
import { keyCodec } from '../model/key-codec.ts'
import type { Partition } from '../model/partition-tree.ts'
import type { Slot, Timeline } from './timeline.ts'

/** Where an attached partition lies on the key's line. */
export type Placement =
  /** Inside one period: managed. */
  | { readonly kind: 'aligned'; readonly from: bigint; readonly to: bigint; readonly slot: Slot }
  /** Bounded, and not inside one period of the calendar. */
  | { readonly kind: 'off-calendar'; readonly from: bigint; readonly to: bigint }
  /** Open to MINVALUE, MAXVALUE or infinity on one side or both; an open end is `beginning` or `end`. */
  | { readonly kind: 'open-ended'; readonly from: bigint; readonly to: bigint }
  | { readonly kind: 'default' }
  | { readonly kind: 'unreadable' }

export interface PlacedPartition {
  readonly partition: Partition
  readonly placement: Placement
}

/** Before and after every position that PostgreSQL's types can hold (they end before 2^63 microseconds). */
export const end: bigint = 1n << 64n
export const beginning: bigint = -end

const ofSlots = new WeakMap<object, Map<string, Placement>>()

/** The partitions of a fleet have mostly the same bounds, and one text has one place. */
export function placePartition(partition: Partition, keyType: TimeKeyType, timeline: Timeline): Placement {
  const { boundText } = partition
  const places = ofSlots.get(timeline.slots) ?? new Map<string, Placement>()
  ofSlots.set(timeline.slots, places)
  const known = places.get(boundText)
  if (known) return known
  const placement = place(partition, keyType, timeline)
  places.set(boundText, placement)
  return placement
}

function place({ bound }: Partition, keyType: TimeKeyType, timeline: Timeline): Placement {
  if (bound?.kind === 'default') return { kind: 'default' }
  if (bound?.kind !== 'range') return { kind: 'unreadable' }
  const [fromEdge] = bound.from
  const [toEdge] = bound.to
  if (!fromEdge || !toEdge || bound.from.length > 1 || bound.to.length > 1) return { kind: 'unreadable' }
  const codec = keyCodec(keyType)
  const from = fromEdge.kind === 'value' ? codec.decode(fromEdge.text) : '-infinity'
  const to = toEdge.kind === 'value' ? codec.decode(toEdge.text) : 'infinity'
  if (from === undefined || to === undefined) return { kind: 'unreadable' }
  if (typeof from !== 'bigint' || typeof to !== 'bigint') {
    return { kind: 'open-ended', from: onLine(from), to: onLine(to) }
  }
  const slot = slotOrNone(timeline, from)
  return slot && to <= slot.to ? { kind: 'aligned', from, to, slot } : { kind: 'off-calendar', from, to }
}

/** A calendar need not know the year 4000 BC, where somebody's partition for the beginning of time may lie. */
export function slotOrNone(timeline: Timeline, position: bigint): Slot | undefined {
  try {
    return timeline.slotAt(position)
  } catch {
    return undefined
  }
}

function onLine(position: KeyPosition): bigint {
  if (typeof position === 'bigint') return position
  return position === 'infinity' ? end : beginning
}

/** A placed partition that has a place on the line. */
export interface PlacedSpan {
  readonly from: bigint
  readonly to: bigint
  readonly partition: Partition
}

/** Those that have a place on the line, by it. PostgreSQL lets no two of them overlap. */
export function spansOf(placed: readonly PlacedPartition[]): readonly PlacedSpan[] {
  const spans: PlacedSpan[] = []
  for (const { partition, placement } of placed) {
    if ('from' in placement) spans.push({ from: placement.from, to: placement.to, partition })
  }
  return spans.sort((a, b) => (a.from < b.from ? -1 : 1))
}

/** What already lies in a range: nothing, a part of it, or all of it. */
export function coverage(
  spans: readonly PlacedSpan[],
  range: { readonly from: bigint; readonly to: bigint },
): { readonly covered: 'none' | 'part' | 'all'; readonly by: readonly Partition[] } {
  const by: Partition[] = []
  let reached = range.from
  for (let index = firstEndingAfter(spans, range.from); index < spans.length; index++) {
    const span = spans[index]
    if (!span || span.from >= range.to) break
    by.push(span.partition)
    if (span.from <= reached && span.to > reached) reached = span.to
  }
  return { covered: by.length === 0 ? 'none' : reached >= range.to ? 'all' : 'part', by }
}

function firstEndingAfter(spans: readonly PlacedSpan[], position: bigint): number {
  let low = 0
  let high = spans.length
  while (low < high) {
    const middle = (low + high) >> 1
    const span = spans[middle]
    if (span && span.to <= position) low = middle + 1
    else high = middle
  }
  return low
}
