import { Instant } from '../model/instant.ts'
import type { Partition } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { instantOfWallClock } from '../model/time-zone.ts'
import type { Evidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { ScanUse } from './operation.ts'
import type { PlanInput, Survey } from './survey.ts'
import type { Slot } from './timeline.ts'
import { notDone } from './default-rows.ts'
import { describeLimit, longestStatementMs, longestWaitMs, raiseLimit } from './lock-limit.ts'
import type { ScanPrice } from './scan-price.ts'
import { priceBesideDefault, priceOfMove, priceOfScan } from './scan-price.ts'

/** How a partition gets its place beside DEFAULT: at once, with the range excluded from DEFAULT before, or not at all. */
export type WayBesideDefault =
  | { readonly kind: 'attach'; readonly scans: readonly ScanUse[] }
  | { readonly kind: 'exclude'; readonly scans: readonly []; readonly before: string }
  | { readonly kind: 'no'; readonly finding: Finding }

/** Chooses by what PostgreSQL has to read under lock, and by whether anybody writes into the range. */
export function wayBesideDefault(
  input: PlanInput,
  survey: Survey,
  about: {
    readonly slot: Pick<Slot, 'from' | 'to' | 'range'>
    /** The table that is attached again; left out, a new one is made. */
    readonly again?: TableName
    readonly evidence: Evidence
  },
): WayBesideDefault {
  const { tree } = input
  const { slot, again, evidence } = about
  const { range } = slot
  const fallback = defaultPartition(tree)
  const price = priceBesideDefault(evidence) ?? priceByEstimate(fallback, evidence)
  if (!fallback) return { kind: 'attach', scans: [] }
  // Where its size is not known there is a scan all the same.
  const { bytes, estimatedMs } = price ?? { bytes: 0, estimatedMs: 0 }
  const moveMs = priceOfMove(evidence.rowsInDefault.get(range.from) ?? 0)
  const scans = [{ relation: fallback.name, bytes, estimatedMs: estimatedMs + moveMs }]
  if (!price || price.estimatedMs <= longestWaitMs(input)) return { kind: 'attach', scans }
  const isAhead = slot.from >= survey.current.to && evidence.rowsAhead === false
  const before = validatedBefore(input, survey, slot)
  const now = input.now ?? tree.server.now
  const validated = now.add(BigInt(slowestScan * priceOfScan(evidence.defaultScan?.bytes ?? 0)) * 1_000n)
  const mayExclude = !again && isAhead && fallback.kind === 'table'
  if (mayExclude && Instant.compare(validated, before) < 0) {
    return { kind: 'exclude', scans: [], before: before.toString() }
  }
  const name = formatTableName(fallback.name)
  const once = tree.parent.defaultExcludesRange ? ', once the CHECK that excludes a range is off it' : ''
  const why = mayExclude
    ? `Rows of ${range.from} to ${range.to} would be refused while the range is excluded from it, and they may come in too soon for that`
    : `Rows may come in for ${range.from} to ${range.to} at any time`
  return {
    kind: 'no',
    finding: finding('default-too-large', {
      relation: fallback.name,
      range,
      message: `To attach a partition beside ${name} PostgreSQL reads all of it under a lock that stops readers and writers: about ${price.estimatedMs} ms, longer than ${describeLimit(input)}. ${why}, so ${notDone(again, 'its partition')}, and they go on into DEFAULT${once}.`,
      next: mayExclude
        ? `Raise createAheadCount: a partition beside so large a DEFAULT is made at least ${formatHours(marginMs(slot))} before its period begins. Or move rows out of DEFAULT until it is small and VACUUM it, or ${raiseLimit(input, price.estimatedMs)}.`
        : `Move rows out of DEFAULT until it is small and VACUUM it, or ${raiseLimit(input, price.estimatedMs)} if readers and writers may wait longer.`,
    }),
  }
}

/** From a disk it takes longer than with the table in memory. */
const slowestScan = 4

const hourMs = 3_600_000

/**
 * The last moment at which the CHECK may be validated: what comes after it, the attach or taking the CHECK off again, is
 * given up early enough before the first row of the range is due that the next run comes in time to take the CHECK off.
 */
function validatedBefore(input: PlanInput, { keyType }: Survey, slot: Pick<Slot, 'from' | 'to'>): Instant {
  const { calculator, giveUpAfterMs = 15_000 } = input
  const begins =
    keyType === 'timestamptz'
      ? Instant.fromMicroseconds(slot.from)
      : instantOfWallClock(slot.from, calculator.timeZone)
  return begins.add(BigInt(marginMs(slot) + 2 * (longestStatementMs(input) + giveUpAfterMs)) * -1_000n)
}

/** Whoever has partitions of an hour runs at least every hour, and nobody less often than every day. */
function marginMs({ from, to }: Pick<Slot, 'from' | 'to'>): number {
  return Math.min(24 * hourMs, Math.max(hourMs, Number((to - from) / 1_000n)))
}

function formatHours(ms: number): string {
  const hours = Math.ceil(ms / hourMs)
  return hours === 1 ? 'an hour' : `${hours} hours`
}

/** Where DEFAULT could not be read, as large as VACUUM or ANALYZE has found it last; it is read twice, as far as is known. */
function priceByEstimate(
  fallback: Partition | undefined,
  { defaultUnread }: Evidence,
): ScanPrice | undefined {
  if (defaultUnread === undefined || fallback?.sizeBytes === undefined) return undefined
  const bytes = 2 * fallback.sizeBytes
  return { bytes, estimatedMs: priceOfScan(bytes) }
}
