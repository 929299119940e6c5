/** Arbitrary worlds for the pure planner: attached partitions of every kind on a line, detached tables, rows in DEFAULT. */

import * as fc from 'fast-check'
import type { PartitionGranularity, PeriodCalculator } from '../../src/model/calendar.ts'
import { calculatorFor, calculatorOnLine, checkedPeriod, positionOf } from '../../src/model/calendar.ts'
import { Instant } from '../../src/model/instant.ts'
import type { TimeKeyType } from '../../src/model/key-codec.ts'
import { MICROSECONDS_PER_DAY } from '../../src/model/local-date.ts'
import type { DetachedTable, Partition } from '../../src/model/partition-tree.ts'
import { TablePartitionConfig } from '../../src/policy/config.ts'
import { hazards } from '../../src/policy/hazard.ts'
import type { Asked, World } from './planned-world.ts'
import { attached, detachedTable, orphanComment, rangeBound } from './planned-world.ts'

export interface PlanningCase extends Asked {
  readonly world: World
  /** The periods around now, oldest first; `current` is the index of the one that now lies in. */
  readonly slots: readonly { readonly from: bigint; readonly to: bigint }[]
  readonly current: number
}

const past = 7
const future = 8

const segment = fc.constantFrom(
  'none',
  'none',
  'whole',
  'whole',
  'whole',
  'other name',
  'halves',
  'first half',
  'merged with the next',
  'marked',
  'foreign',
  'partitioned',
)

const orphan = fc.record({
  slot: fc.nat(past + future),
  as: fc.constantFrom(
    'orphan',
    'orphan',
    'python',
    'python without instant',
    'adopted',
    'damaged',
    'of another database',
    'of another owner',
    'over two periods',
    'of another table',
    'building',
    'building, filled',
    'with a strange bound',
  ),
  generatedName: fc.boolean(),
  partitioned: fc.boolean(),
  referenced: fc.boolean(),
  daysAgo: fc.integer({ min: 0, max: 20 }),
})

const shape = fc.record({
  granularity: fc.constantFrom<PartitionGranularity>('hour', 'day', 'week', 'month', 'quarter', 'year'),
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/Havana', 'Asia/Kolkata', 'Pacific/Apia'),
  keyType: fc.constantFrom<TimeKeyType>('timestamptz', 'timestamp', 'date'),
  now: fc.oneof(
    fc.bigInt({ min: 1_400_000_000_000_000n, max: 2_000_000_000_000_000n }),
    // At the very edge of a day, and at changes of clocks.
    fc
      .constantFrom(1_774_746_000_000_000n, 1_792_890_000_000_000n, 1_772_323_200_000_000n)
      .chain((edge) => fc.constantFrom(edge - 1n, edge, edge + 1n)),
  ),
  createAheadCount: fc.integer({ min: 1, max: 6 }),
  retentionCount: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined }),
  detachMode: fc.constantFrom('auto', 'concurrent', 'blocking'),
  dropAfter: fc.constantFrom('0 seconds', '7 days', 'never'),
  maxRowsFromDefault: fc.integer({ min: 0, max: 3 }),
  segments: fc.array(segment, { minLength: past + future + 1, maxLength: past + future + 1 }),
  openBefore: fc.boolean(),
  openAfter: fc.boolean(),
  fallback: fc.constantFrom('none', 'none', 'table', 'table', 'foreign'),
  defaultScanBytes: fc.constantFrom(undefined, 8_192, 8_192, 8_192, 1_073_741_824),
  allowHazards: fc.option(fc.subarray([...hazards]), { nil: undefined, freq: 4 }),
  pending: fc.option(fc.tuple(fc.nat(past + future), fc.boolean()), { nil: undefined, freq: 4 }),
  orphans: fc.array(orphan, { maxLength: 4 }),
  strangers: fc.array(fc.nat(past + future), { maxLength: 2 }),
  rows: fc.array(fc.tuple(fc.nat(past + future), fc.nat(999)), { maxLength: 12 }),
  referenced: fc.boolean(),
  excluded: fc.boolean(),
  published: fc.boolean(),
})

type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never

export const planningCase: fc.Arbitrary<PlanningCase> = shape.map(buildCase)

function buildCase(made: Shape): PlanningCase {
  const keyType = made.granularity === 'hour' && made.keyType === 'date' ? 'timestamp' : made.keyType
  const calculator = calculatorFor(made.granularity, made.timeZone)
  const now = Instant.fromMicroseconds(made.now)
  const slots = slotsAround(calculatorOnLine(calculator, keyType), positionOf(now, made.timeZone, keyType))
  const nameOf = (index: number): string => {
    const { from, to } = slots[index] ?? { from: 0n, to: 0n }
    return calculatorOnLine(calculator, keyType).formatPartitionName('events', {
      start: Instant.fromMicroseconds(from),
      end: Instant.fromMicroseconds(to),
    })
  }
  const { retentionCount, granularity, timeZone, createAheadCount, detachMode, dropAfter } = made
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity,
    timeZone,
    createAheadCount,
    ...(retentionCount !== undefined && { retentionCount }),
    detachMode: detachMode === 'auto' || detachMode === 'blocking' ? detachMode : 'concurrent',
    dropAfter,
    maxRowsFromDefault: made.maxRowsFromDefault,
    ...(made.allowHazards && { allowHazards: made.allowHazards }),
  })
  const context = { made, slots, keyType, nameOf, now }
  const partitions = attachedPartitions(context)
  const detached = detachedTables(context, partitions)
  const world: World = {
    keyType,
    partitions,
    detached,
    strangers: new Set(made.strangers.map(nameOf)),
    rowsInDefault: made.fallback === 'table' ? rowsAstray(context, partitions) : [],
    ...(made.defaultScanBytes !== undefined && { defaultScanBytes: made.defaultScanBytes }),
    filled: new Set(detached.filter(({ name }) => name.name.endsWith('filled')).map(({ oid }) => oid)),
    referenced: made.referenced,
    ...(made.excluded && made.fallback === 'table' && { excluded: true }),
    ...(made.published && made.fallback !== 'none' && { published: true }),
    nextOid: 5000,
  }
  return { config, calculator, now, world, slots, current: past }
}

function slotsAround(calculator: PeriodCalculator, head: bigint): PlanningCase['slots'] {
  const slotAt = (position: bigint): { from: bigint; to: bigint } => {
    const { start, end } = checkedPeriod(calculator, Instant.fromMicroseconds(position))
    return { from: start.epochMicroseconds, to: end.epochMicroseconds }
  }
  const slots = [slotAt(head)]
  for (let index = 0; index < past; index++) slots.unshift(slotAt((slots[0]?.from ?? 0n) - 1n))
  for (let index = 0; index < future; index++) slots.push(slotAt(slots.at(-1)?.to ?? 0n))
  return slots
}

interface Context {
  readonly made: Shape
  readonly slots: PlanningCase['slots']
  readonly keyType: TimeKeyType
  readonly nameOf: (index: number) => string
  readonly now: Instant
}

function attachedPartitions({ made, slots, keyType, nameOf, now }: Context): readonly Partition[] {
  const partitions: Partition[] = []
  const add = (
    name: string,
    range: { readonly from: bigint | undefined; readonly to: bigint | undefined },
    more: { readonly kind?: Partition['kind']; readonly marked?: boolean; readonly pending?: boolean } = {},
  ): void => {
    const oid = String(1000 + partitions.length)
    const boundText = rangeBound(keyType, range.from, range.to)
    const comment = more.marked
      ? orphanComment({ oid, bound: boundText, detachedAt: now.toString(), userComment: 'mine' })
      : undefined
    partitions.push(
      attached({ oid, name, boundText, kind: more.kind ?? 'table', pending: more.pending ?? false, comment }),
    )
  }
  if (made.openBefore) add('past', { from: undefined, to: slots[0]?.from })
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index]
    if (!slot) break
    const pending = made.pending?.[0] === index ? { pending: true, marked: made.pending[1] } : undefined
    if (pending) {
      add(nameOf(index), slot, pending)
      continue
    }
    switch (made.segments[index] ?? 'none') {
      case 'whole':
        add(nameOf(index), slot)
        break
      case 'other name':
        add(`part_${index}`, slot)
        break
      case 'marked':
        add(nameOf(index), slot, { marked: true })
        break
      case 'foreign':
        add(nameOf(index), slot, { kind: 'foreign' })
        break
      case 'partitioned':
        add(nameOf(index), slot, { kind: 'partitioned' })
        break
      case 'halves':
      case 'first half': {
        const middle = middleOf(slot, keyType)
        if (middle === slot.from) break
        add(`first_${index}`, { from: slot.from, to: middle })
        if (made.segments[index] === 'halves') add(`second_${index}`, { from: middle, to: slot.to })
        break
      }
      case 'merged with the next': {
        const next = slots[index + 1]
        if (!next || made.pending?.[0] === index + 1) break
        add(`merged_${index}`, { from: slot.from, to: next.to })
        index += 1
        break
      }
      case 'none':
    }
  }
  if (made.openAfter) add('future', { from: slots.at(-1)?.to, to: undefined })
  if (made.fallback !== 'none') {
    partitions.push(
      attached({
        oid: '999',
        name: 'rest',
        boundText: 'DEFAULT',
        kind: made.fallback === 'foreign' ? 'foreign' : 'table',
      }),
    )
  }
  return partitions
}

function middleOf({ from, to }: { from: bigint; to: bigint }, keyType: TimeKeyType): bigint {
  const middle = from + (to - from) / 2n
  return keyType === 'date' ? from + ((middle - from) / MICROSECONDS_PER_DAY) * MICROSECONDS_PER_DAY : middle
}

function detachedTables(
  { made, slots, keyType, nameOf, now }: Context,
  partitions: readonly Partition[],
): readonly DetachedTable[] {
  const names = new Set([...partitions.map(({ name }) => name.name), ...made.strangers.map(nameOf)])
  const tables: DetachedTable[] = []
  for (const [
    index,
    { slot, as, generatedName, partitioned, referenced, daysAgo },
  ] of made.orphans.entries()) {
    const oid = String(3000 + index)
    const name =
      as === 'building, filled' ? `orphan_${index}_filled` : generatedName ? nameOf(slot) : `orphan_${index}`
    if (names.has(name)) continue
    names.add(name)
    const range = slots[slot]
    const bound = rangeBound(keyType, range?.from, range?.to)
    const detachedAt = now.add(-BigInt(daysAgo) * MICROSECONDS_PER_DAY).toString()
    const of = (over: Partial<Parameters<typeof orphanComment>[0]> = {}): string =>
      orphanComment({ oid, bound, detachedAt, ...over })
    const comments: Readonly<Record<typeof as, string>> = {
      orphan: of(),
      adopted: of({ bound: undefined }),
      building: of({ kind: 'building' }),
      'building, filled': of({ kind: 'building' }),
      'with a strange bound': of({ bound: "FOR VALUES FROM ('1') TO ('2')" }),
      'of another table': of({ oid: '4999' }),
      'of another database': of().replace('7123456789/5', '7123456789/6'),
      'of another owner': of(),
      'over two periods': of({ bound: rangeBound(keyType, range?.from, (slots[slot + 1] ?? range)?.to) }),
      damaged: 'pg-partsmith:orphan-parent=public.events\npg-partsmith:detached-at=then',
      python: `pg-partsmith:orphan-parent=public.events\npg-partsmith:detached-at=${detachedAt}\nmine`,
      'python without instant': 'pg-partsmith:orphan-parent=public.events',
    }
    const table = detachedTable({
      oid,
      name,
      comment: comments[as],
      kind: partitioned && index === 3 ? 'partitioned' : 'table',
      referenced: referenced && index % 2 === 1,
      ownerIsTrusted: as !== 'of another owner',
    })
    if (table) tables.push(table)
  }
  return tables
}

/** Rows lie in DEFAULT only where nothing else takes them. */
function rowsAstray({ made, slots }: Context, partitions: readonly Partition[]): readonly bigint[] {
  const covered = partitions.map(({ bound, boundText }) => (bound?.kind === 'range' ? boundText : ''))
  return made.rows.flatMap(([index, part]) => {
    const slot = slots[index]
    if (!slot) return []
    const free = made.segments[index] === 'none' && made.segments[index - 1] !== 'merged with the next'
    const position = slot.from + ((slot.to - slot.from) * BigInt(part)) / 1000n
    return free && made.pending?.[0] !== index && covered.length > 0 ? [position] : []
  })
}
