import { type BoundEdge, Instant, parseBound } from '../../index.ts'
import { printable } from './printable.ts'

/** A value of a time key as PostgreSQL prints it: with an offset it is an instant, without one a wall clock. */
const timeText =
  /^(?<date>\d{4,6}-\d\d-\d\d)(?:[ T](?<time>\d\d:\d\d:\d\d(?:\.\d+)?))?(?<offset>[+-]\d\d(?::?\d\d){0,2})?$/

/** One edge of a bound for people: in the zone of the calendar, and only the date where that is midnight. */
export function formatEdge(text: string, timeZone: string): string {
  const { date, time, offset } = timeText.exec(text)?.groups ?? {}
  if (date === undefined) return printable(text)
  if (offset !== undefined) {
    const place = positionOf(text)
    return place === undefined ? printable(text) : formatInstant(Instant.fromMicroseconds(place), timeZone)
  }
  return time === undefined || /^00:00:00(?:\.0+)?$/.test(time) ? date : `${date} ${shortTime(time)}`
}

/** `2026-10-01 to 2026-11-01`. */
export function formatRange(range: { readonly from: string; readonly to: string }, timeZone: string): string {
  return `${formatEdge(range.from, timeZone)} to ${formatEdge(range.to, timeZone)}`
}

/** The two edges of a one-column range bound as PostgreSQL prints it; undefined for every other bound. */
export function edgesOf(
  boundText: string | undefined,
): { readonly from: string; readonly to: string } | undefined {
  const bound = boundText === undefined ? undefined : parseBound(boundText)
  if (bound?.kind !== 'range' || bound.from.length !== 1 || bound.to.length !== 1) return undefined
  const [from] = bound.from
  const [to] = bound.to
  return from && to && { from: edgeText(from), to: edgeText(to) }
}

/** Whether the key's values are instants, which a bound shows by its offset. */
export function hasOffset(edge: string): boolean {
  return timeText.exec(edge)?.groups?.['offset'] !== undefined
}

/** The place of an edge on its key's line, in microseconds: an instant's own, or those of a wall clock read as UTC. */
export function positionOf(edge: string): bigint | undefined {
  const text = edge.includes(' ') ? edge.replace(' ', 'T') : `${edge}T00:00:00`
  try {
    return Instant.from(hasOffset(edge) ? text : `${text}Z`).epochMicroseconds
  } catch {
    return undefined
  }
}

/** `2026-10-01` at midnight in the zone, otherwise `2026-10-01 08:00`, with the offset outside of UTC. */
export function formatInstant(instant: Instant, timeZone: string): string {
  let part: Readonly<Record<string, string>>
  try {
    part = Object.fromEntries(
      clockOf(timeZone)
        .formatToParts(instant.toDate())
        .map(({ type, value }) => [type, value]),
    )
  } catch {
    // Beyond what a Date holds.
    return instant.toString()
  }
  if (part['era'] !== 'AD') return instant.toString()
  const date = `${(part['year'] ?? '').padStart(4, '0')}-${part['month']}-${part['day']}`
  const time = `${part['hour']}:${part['minute']}:${part['second']}${fractionOf(instant)}`
  if (time === '00:00:00') return date
  const offset = timeZone === 'UTC' ? '' : (part['timeZoneName'] ?? '').replace('GMT', '')
  return `${date} ${shortTime(time)}${offset}`
}

const clocks = new Map<string, Intl.DateTimeFormat>()

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const known = clocks.get(timeZone)
  if (known) return known
  const clock = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'longOffset',
  })
  clocks.set(timeZone, clock)
  return clock
}

function fractionOf(instant: Instant): string {
  const rest = instant.epochMicroseconds % 1_000_000n
  const micros = rest < 0n ? rest + 1_000_000n : rest
  return micros === 0n ? '' : `.${String(micros).padStart(6, '0').replace(/0+$/, '')}`
}

function shortTime(time: string): string {
  return time.replace(/(?<=^\d\d:\d\d):00(?:\.0+)?$/, '')
}

function edgeText(edge: BoundEdge): string {
  return edge.kind === 'value' ? edge.text : edge.kind.toUpperCase()
}
