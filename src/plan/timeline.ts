import { InvalidPartitionConfigError } from '../errors.ts'
import type { Period, PeriodCalculator } from '../model/calendar.ts'
import { BasePeriodCalculator, calculatorOnLine, checkedPeriod, positionOf } from '../model/calendar.ts'
import { Instant } from '../model/instant.ts'
import type { TimeKeyType } from '../model/key-codec.ts'
import { keyCodec } from '../model/key-codec.ts'
import { byteLength } from '../model/partition-name.ts'
import { instantOfWallClock } from '../model/time-zone.ts'
import type { RangeText } from './operation.ts'

/**
 * The calendar laid on the key's own line of positions.
 *
 * A position is a number of microseconds: an instant for `timestamptz`, the wall clock read as if UTC for `timestamp`
 * and `date`. All comparing of bounds happens on positions, never on text.
 */
export interface Timeline {
  /** Now, as the key sees it. */
  readonly head: bigint
  /** The period that contains the position. */
  slotAt(position: bigint): Slot
}

/** One period of the calendar: [from, to) as positions and as the literals of a bound. */
export interface Slot {
  readonly from: bigint
  readonly to: bigint
  readonly period: Period
  readonly range: RangeText
}

export interface TimelineInput {
  readonly calculator: PeriodCalculator
  readonly keyType: TimeKeyType
  readonly now: Instant
  /** The zone that zone-less boundaries of a custom calculator are read in; null: none is set. */
  readonly ddlTimezone: string | null
}

/** Throws an `InvalidPartitionConfigError` from `slotAt` where the calculator's boundaries cannot be used. */
export function timelineFor({ calculator, keyType, now, ddlTimezone }: TimelineInput): Timeline {
  const codec = keyCodec(keyType)
  const onLine = calculatorOnLine(calculator, keyType)
  const boundariesArePeriods = onLine.getBoundaries === BasePeriodCalculator.prototype.getBoundaries
  // Bounds are looked for where other bounds were: at the start of a slot, or right before its end.
  const byStart = new Map<bigint, Slot>()
  const byEnd = new Map<bigint, Slot>()

  function slotAt(position: bigint): Slot {
    const known = byStart.get(position) ?? byEnd.get(position + 1n)
    if (known) return known
    const period = checkedPeriod(onLine, Instant.fromMicroseconds(position))
    const slot = slotOf(period)
    if (position < slot.from || position >= slot.to) {
      throw new InvalidPartitionConfigError(
        `The calculator ${calculator.constructor.name} puts ${codec.encode(position)} into the period from ${period.start.toString()} to ${period.end.toString()} and gives it the boundaries '${slot.range.from}' and '${slot.range.to}', which do not hold it. Give boundaries that are the period's own start and end.`,
      )
    }
    byStart.set(slot.from, slot)
    byEnd.set(slot.to, slot)
    return slot
  }

  function slotOf(period: Period): Slot {
    if (boundariesArePeriods) {
      return lazySlot(period, period.start.epochMicroseconds, period.end.epochMicroseconds)
    }
    const [from, to] = onLine.getBoundaries(period)
    return lazySlot(period, decodeBoundary(from), decodeBoundary(to))
  }

  /** Most slots only place a partition that is there already, so their literals are never asked for. */
  function lazySlot(period: Period, from: bigint, to: bigint): Slot {
    let range: RangeText | undefined
    return {
      from,
      to,
      period,
      get range() {
        return (range ??= { from: codec.encode(from), to: codec.encode(to) })
      },
    }
  }

  function decodeBoundary(text: string): bigint {
    const position = codec.decode(text)
    if (typeof position === 'bigint') return position
    const boundary =
      keyType === 'timestamptz' ? keyCodec('timestamp').decode(text) : keyCodec('timestamptz').decode(text)
    // A custom calculator may answer in the other form: an instant for a wall-clock key, or a wall clock for an instant.
    if (typeof boundary === 'bigint' && keyType !== 'timestamptz') return boundary
    if (typeof boundary === 'bigint' && ddlTimezone === calculator.timeZone) {
      return instantOfWallClock(boundary, calculator.timeZone).epochMicroseconds
    }
    throw new InvalidPartitionConfigError(
      typeof boundary === 'bigint'
        ? `The calculator ${calculator.constructor.name} (zone ${calculator.timeZone}) gives the boundary '${text}' without an offset, and ddlTimezone is ${ddlTimezone ?? 'null'}, so it is not clear which instant is meant. Give boundaries with an offset, or set ddlTimezone to ${calculator.timeZone}.`
        : `The calculator ${calculator.constructor.name} gives the boundary '${text}', which is not a value of a ${keyType} key. Give an ISO date and time with an offset.`,
    )
  }

  return { head: positionOf(now, calculator.timeZone, keyType), slotAt }
}

/** The generated name of the partition of a slot; refuses one that PostgreSQL would cut. */
export function slotName(input: {
  readonly calculator: PeriodCalculator
  readonly keyType: TimeKeyType
  readonly table: string
  readonly slot: Slot
}): string {
  const { calculator, keyType, table, slot } = input
  const name = calculatorOnLine(calculator, keyType).formatPartitionName(table, slot.period)
  if (byteLength(name) <= 63) return name
  throw new InvalidPartitionConfigError(
    `The calculator ${calculator.constructor.name} gives the partition name "${name}", which takes ${byteLength(name)} bytes; PostgreSQL keeps 63 and would cut it silently. Give a shorter name, for example through partitionName().`,
  )
}

/** The slot after this one; PostgreSQL's ranges leave no gap between them, so the calendar must not either. */
export function nextSlot(timeline: Timeline, slot: Slot): Slot {
  return adjoining(slot, timeline.slotAt(slot.to))
}

export function previousSlot(timeline: Timeline, slot: Slot): Slot {
  const previous = timeline.slotAt(slot.from - 1n)
  adjoining(previous, slot)
  return previous
}

function adjoining(earlier: Slot, later: Slot): Slot {
  if (earlier.to === later.from) return later
  throw new InvalidPartitionConfigError(
    `The calendar does not tile the time line: the period that ends at '${earlier.range.to}' is followed by one that starts at '${later.range.from}'. Each period must start where the one before it ends.`,
  )
}
