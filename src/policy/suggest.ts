import { timeZoneNames } from '../model/time-zone.ts'

/**
 * The candidate nearest to what was written, or undefined where none is near enough to be worth a guess.
 *
 * Case, underscores, hyphens and spaces do not count, so `retention_count` finds `retentionCount`.
 */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  const word = bare(written)
  if (word === '') return undefined
  let best: { readonly candidate: string; readonly cost: number } | undefined
  for (const candidate of candidates) {
    const cost = costOf(word, bare(candidate))
    if (cost !== undefined && (best === undefined || cost < best.cost)) best = { candidate, cost }
  }
  return best?.candidate
}

/** The zone that was probably meant: a near name, or the one whose city was given alone. */
export function nearestTimeZone(written: string): string | undefined {
  const zones = timeZoneNames()
  const city = zones.find((zone) => bare(zone.slice(zone.lastIndexOf('/') + 1)) === bare(written))
  return city ?? nearest(written, zones)
}

function bare(text: string): string {
  return text.toLowerCase().replaceAll(/[\s_-]/g, '')
}

/** How far apart two words are, or undefined where they are different words. */
function costOf(word: string, candidate: string): number | undefined {
  const edits = distance(word, candidate)
  const allowed = Math.max(1, Math.floor(Math.max(word.length, candidate.length) / 4))
  if (edits <= allowed) return edits
  // One begins the other: `createAhead`, `months`, `monthly`. Counts after every plain typo.
  const [short, long] = word.length < candidate.length ? [word, candidate] : [candidate, word]
  return short.length >= 4 && long.startsWith(short) ? allowed + edits : undefined
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
function distance(a: string, b: string): number {
  let beforeLast: readonly number[] = []
  let last: readonly number[] = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1]
      const steps = [at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1)]
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        steps.push(at(beforeLast, column - 2) + 1)
      }
      current.push(Math.min(...steps))
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
