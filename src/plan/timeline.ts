import { InvalidPartitionConfigError } from '../errors.ts'
import type { Period, PeriodCalculator } from '../model/calendar.ts'
import {
  BasePeriodCalculator,
  calculatorOnLine,
  checkedPeriod,
  isBuiltIn,
  positionOf,
} from '../model/calendar.ts'
import { Instant } from '../model/instant.ts'
import type { KeyCodec, TimeKeyType } from '../model/key-codec.ts'
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
  /** The same object for every timeline that has the very same slots, to remember by what follows from them. */
  readonly slots: object
}

/** One period of the calendar: [from, to) as positions and as the literals of a bound. */
export interface Slot {
  readonly from: bigint
  readonly to: bigint
  readonly period: Period
  readonly range: RangeText
}

/** Most slots only place a partition that is there already, so their literals are never asked for. */
class CalendarSlot implements Slot {
  readonly period: Period
  readonly from: bigint
  readonly to: bigint
  readonly #codec: KeyCodec
  #range: RangeText | undefined

  constructor(
    period: Period,
    { from, to, codec }: { readonly from: bigint; readonly to: bigint; readonly codec: KeyCodec },
  ) {
    this.period = period
    this.from = from
    this.to = to
    this.#codec = codec
  }

  get range(): RangeText {
    const { encode } = this.#codec
    return (this.#range ??= { from: encode(this.from), to: encode(this.to) })
  }
}

/**
 * Bounds are looked for where other bounds were: at the start of a slot, or right before its end. Numbers are found
 * faster than bigints; those that are not exact so far from 1970 are told apart by the slot.
 */
interface RememberedSlots {
  readonly byStart: Map<number, Slot>
  readonly byEnd: Map<number, Slot>
}

const ofCalendars = new WeakMap<PeriodCalculator, Map<TimeKeyType, RememberedSlots>>()

const mostRemembered = 50_000

/** The slots of a built-in calendar are kept with it: the tables of a fleet have mostly the same ones. */
function rememberedSlots(calculator: PeriodCalculator, keyType: TimeKeyType): RememberedSlots {
  const fresh = { byStart: new Map<number, Slot>(), byEnd: new Map<number, Slot>() }
  if (!isBuiltIn(calculator)) return fresh
  const ofTypes = ofCalendars.get(calculator) ?? new Map<TimeKeyType, RememberedSlots>()
  ofCalendars.set(calculator, ofTypes)
  const known = ofTypes.get(keyType)
  if (known && known.byStart.size < mostRemembered) return known
  ofTypes.set(keyType, fresh)
  return fresh
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
  const slots = rememberedSlots(calculator, keyType)
  const { byStart, byEnd } = slots

  function slotAt(position: bigint): Slot {
    const starting = byStart.get(Number(position))
    if (starting?.from === position) return starting
    const ending = byEnd.get(Number(position))
    if (ending?.to === position + 1n) return ending
    const period = checkedPeriod(onLine, Instant.fromMicroseconds(position))
    const slot = slotOf(period)
    if (position < slot.from || position >= slot.to) {
      throw new InvalidPartitionConfigError(
        `The calculator ${calculator.constructor.name} puts ${codec.encode(position)} into the period from ${period.start.toString()} to ${period.end.toString()} and gives it the boundaries '${slot.range.from}' and '${slot.range.to}', which do not hold it. Give boundaries that are the period's own start and end.`,
      )
    }
    byStart.set(Number(slot.from), slot)
    byEnd.set(Number(slot.to - 1n), slot)
    return slot
  }

  function slotOf(period: Period): Slot {
    if (boundariesArePeriods) {
      return new CalendarSlot(period, {
        from: period.start.epochMicroseconds,
        to: period.end.epochMicroseconds,
        codec,
      })
    }
    const [from, to] = onLine.getBoundaries(period)
    return new CalendarSlot(period, { from: decodeBoundary(from), to: decodeBoundary(to), codec })
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

  return { head: positionOf(now, calculator.timeZone, keyType), slotAt, slots }
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
