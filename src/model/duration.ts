import { formatFraction } from './wall-clock-text.ts'
import { MICROSECONDS_PER_DAY, MICROSECONDS_PER_HOUR, MICROSECONDS_PER_SECOND } from './local-date.ts'

const unitsByName: Readonly<Record<string, bigint>> = {
  week: 7n * MICROSECONDS_PER_DAY,
  day: MICROSECONDS_PER_DAY,
  hour: MICROSECONDS_PER_HOUR,
  minute: 60n * MICROSECONDS_PER_SECOND,
  second: MICROSECONDS_PER_SECOND,
}

const AMOUNT = String.raw`\d+(?:\.\d+)?`
const ISO = new RegExp(
  `^P(?=.)(?:(${AMOUNT})W)?(?:(${AMOUNT})D)?(?:T(?=.)(?:(${AMOUNT})H)?(?:(${AMOUNT})M)?(?:(${AMOUNT})S)?)?$`,
  'i',
)
const ISO_UNITS = ['week', 'day', 'hour', 'minute', 'second'] as const
const WORDS = new RegExp(String.raw`^(?:${AMOUNT}\s+(?:week|day|hour|minute|second)s?(?:\s+(?=\d)|$))+$`, 'i')
const WORD = new RegExp(String.raw`(${AMOUNT})\s+(week|day|hour|minute|second)`, 'gi')
const MONTHS_OR_YEARS = /\b(?:month|year)s?\b|^P[^T]*\d[MY]/i

/**
 * Reads a length of time as microseconds: ISO 8601 (`P7D`, `PT12H`, `P1W`) or words (`7 days`, `1 day 12 hours`).
 *
 * A day has 24 hours. Gives undefined for every other text; `durationProblem` says why.
 */
export function parseDuration(text: string): bigint | undefined {
  const trimmed = text.trim()
  const iso = ISO.exec(trimmed)
  if (iso !== null) return sum(ISO_UNITS.map((unit, index) => [iso[index + 1], unit]))
  if (!WORDS.test(trimmed)) return undefined
  return sum([...trimmed.matchAll(WORD)].map((match) => [match[1], match[2] ?? '']))
}

/** Says in a sentence why a text is no duration; undefined when it is one. */
export function durationProblem(text: string): string | undefined {
  if (parseDuration(text) !== undefined) return undefined
  if (MONTHS_OR_YEARS.test(text)) {
    return `"${text}" has no fixed length, because months and years differ; give it in weeks, days or hours.`
  }
  return `"${text}" is not a duration; write it like "7 days", "12 hours", "P7D" or "PT12H".`
}

/** Writes microseconds for people, in a form that `parseDuration` reads: `7 days`, `1 day 12 hours`, `0 seconds`. */
export function formatDuration(microseconds: bigint): string {
  if (microseconds < 0n) return `-${formatDuration(-microseconds)}`
  const parts: string[] = []
  let rest = microseconds
  for (const unit of ['day', 'hour', 'minute'] as const) {
    const size = unitsByName[unit] ?? 1n
    if (rest >= size) parts.push(plural((rest / size).toString(), unit))
    rest %= size
  }
  const seconds = `${rest / MICROSECONDS_PER_SECOND}${formatFraction(rest % MICROSECONDS_PER_SECOND)}`
  if (rest > 0n || parts.length === 0) parts.push(plural(seconds, 'second'))
  return parts.join(' ')
}

function sum(parts: readonly (readonly [amount: string | undefined, unit: string])[]): bigint | undefined {
  let total = 0n
  for (const [amount, unit] of parts) {
    const size = unitsByName[unit.toLowerCase()]
    if (amount === undefined || size === undefined) continue
    const [whole = '', fraction = ''] = amount.split('.')
    const scale = 10n ** BigInt(fraction.length)
    const scaled = BigInt(whole + fraction) * size
    if (scaled % scale !== 0n) return undefined
    total += scaled / scale
  }
  return total
}

function plural(amount: string, unit: string): string {
  return `${amount} ${unit}${amount === '1' ? '' : 's'}`
}
