/** Numbers for people. */

const sizeUnits = ['kB', 'MB', 'GB', 'TB', 'PB'] as const

/** A size as `pg_size_pretty` writes it, a little rounder: `0 B`, `8 kB`, `1.2 MB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  let value = bytes
  let unit: string = 'B'
  for (const next of sizeUnits) {
    // Where the rounded value would be 1024, the next unit is meant.
    if (Math.round(value) < 1024) break
    value /= 1024
    unit = next
  }
  return `${value < 10 ? trimZero(value.toFixed(1)) : Math.round(value)} ${unit}`
}

/** `1,204`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en-US')
}

/** `3 operations`, `1 finding`, `no findings`. */
export function counted(count: number, noun: string): string {
  const name = count === 1 ? noun : `${noun}s`
  return `${count === 0 ? 'no' : formatCount(count)} ${name}`
}

const spans = [
  ['year', 365.25 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** A span of time in one unit: `62 days`, `3 hours`, `40 seconds`; years from the third on. */
export function formatSpan(microseconds: bigint): string {
  const seconds = Number(microseconds / 1_000_000n)
  for (const [unit, length] of spans) {
    if (seconds >= (unit === 'year' ? 3 : 2) * length) return counted(Math.floor(seconds / length), unit)
  }
  return seconds === 0 ? '0 seconds' : counted(seconds, 'second')
}

/** A length of time that somebody chose, exactly: `7 days`, `36 hours`, `90 minutes`. */
export function formatChosenSpan(microseconds: bigint): string {
  for (const [unit, length] of spans.slice(1)) {
    const size = BigInt(length) * 1_000_000n
    if (microseconds >= size && microseconds % size === 0n) return counted(Number(microseconds / size), unit)
  }
  return `${trimZero((Number(microseconds) / 1_000_000).toFixed(3))} seconds`
}

/** How long something took: `12 ms`, `1.4 s`, `3 min 20 s`. */
export function formatTook(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`
  const seconds = Math.round(milliseconds / 1_000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

function trimZero(text: string): string {
  return text.replace(/\.?0+$/, '')
}
