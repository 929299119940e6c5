import { defaultPartition } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { ScanUse } from './operation.ts'
import type { PlanInput, Survey } from './survey.ts'
import type { Slot } from './timeline.ts'
import { notDone } from './default-rows.ts'
import { describeLimit, longestWaitMs, raiseLimit } from './lock-limit.ts'
import { priceBesideDefault, priceOfMove } from './scan-price.ts'

/** How a partition gets its place beside DEFAULT: at once, with the range excluded from DEFAULT before, or not at all. */
export type WayBesideDefault =
  | { readonly kind: 'attach'; readonly scans: readonly ScanUse[] }
  | { readonly kind: 'exclude'; readonly scans: readonly [] }
  | { readonly kind: 'no'; readonly finding: Finding }

/** Chooses by what PostgreSQL has to read under lock, and by whether anybody writes into the range. */
export function wayBesideDefault(
  input: PlanInput,
  { current }: Survey,
  about: {
    readonly slot: Pick<Slot, 'from' | 'range'>
    /** The table that is attached again; left out, a new one is made. */
    readonly again?: TableName
    readonly evidence: Evidence
  },
): WayBesideDefault {
  const { tree } = input
  const { slot, again, evidence } = about
  const { range } = slot
  const fallback = defaultPartition(tree)
  const price = priceBesideDefault(evidence)
  if (!fallback) return { kind: 'attach', scans: [] }
  // Where its size is not known there is a scan all the same.
  const { bytes, estimatedMs } = price ?? { bytes: 0, estimatedMs: 0 }
  const moveMs = priceOfMove(evidence.rowsInDefault.get(range.from) ?? 0)
  const scans = [{ relation: fallback.name, bytes, estimatedMs: estimatedMs + moveMs }]
  if (!price || price.estimatedMs <= longestWaitMs(input)) return { kind: 'attach', scans }
  const isAhead = slot.from >= current.to && evidence.rowsAhead === false
  if (!again && isAhead && fallback.kind === 'table') return { kind: 'exclude', scans: [] }
  const name = formatTableName(fallback.name)
  const once = tree.parent.defaultExcludesRange ? ', once the CHECK that excludes a range is off it' : ''
  return {
    kind: 'no',
    finding: finding('default-too-large', {
      relation: fallback.name,
      range,
      message: `To attach a partition beside ${name} PostgreSQL reads all of it under a lock that stops readers and writers: about ${price.estimatedMs} ms, longer than ${describeLimit(input)}. Rows may come in for ${range.from} to ${range.to} at any time, so ${notDone(again, 'its partition')}, and they go on into DEFAULT${once}.`,
      next: `Move rows out of DEFAULT until it is small and VACUUM it, or ${raiseLimit(input, price.estimatedMs)} if readers and writers may wait longer.`,
    }),
  }
}
