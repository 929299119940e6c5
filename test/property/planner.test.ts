import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { planFromJson, planToJson, TablePartitionConfig } from '../../src/index.ts'
import type { DetachedTable, DropOperation, MaintenancePlan, Operation, Partition } from '../../src/index.ts'
import { Instant } from '../../src/model/instant.ts'
import { keyCodec } from '../../src/model/key-codec.ts'
import { whyNotTrusted } from '../../src/model/marker.ts'
import { findingCatalog } from '../../src/plan/finding.ts'
import { operationKinds } from '../../src/plan/operation.ts'
import { carriedOut, database, planWorld, treeOf } from '../support/planned-world.ts'
import { explainsItself } from '../support/converges.ts'
import type { World } from '../support/planned-world.ts'
import { printedSeed } from '../support/seed.ts'
import type { PlanningCase } from '../support/world-arbitrary.ts'
import { planningCase } from '../support/world-arbitrary.ts'

const parameters = { seed: printedSeed('planner.test.ts'), numRuns: 1_000 } as const

function always(holds: (one: PlanningCase, plan: MaintenancePlan) => void): void {
  fc.assert(
    fc.property(planningCase, (one) => {
      holds(one, planWorld(one.world, one))
    }),
    parameters,
  )
}

interface Range {
  readonly from: bigint
  readonly to: bigint
}

function rangeIn(boundText: string, keyType: World['keyType']): Range | undefined {
  const [, from, to] = /^FOR VALUES FROM \('(.*)'\) TO \('(.*)'\)$/.exec(boundText) ?? []
  if (from === undefined || to === undefined) return undefined
  const codec = keyCodec(keyType)
  const [first, last] = [codec.decode(from), codec.decode(to)]
  return typeof first === 'bigint' && typeof last === 'bigint' ? { from: first, to: last } : undefined
}

const of = <K extends Operation['kind']>(
  plan: MaintenancePlan,
  kind: K,
): readonly Extract<Operation, { kind: K }>[] =>
  plan.operations.filter((operation): operation is Extract<Operation, { kind: K }> => operation.kind === kind)

/** The first position that is still kept. */
function horizonOf({ slots, current, config }: PlanningCase): bigint | undefined {
  const { retentionCount } = config
  return retentionCount === undefined ? undefined : slots[current - retentionCount + 1]?.from
}

function isForbidden(plan: MaintenancePlan, name: Partition['name']): boolean {
  return plan.findings.some(
    ({ code, relation, message }) =>
      code === 'hazard-not-allowed' && relation?.name === name.name && message.startsWith('The detach of '),
  )
}

/** The two ends of an attached partition, those that are open far away. */
function spanOf({ boundText }: Partition, keyType: World['keyType']): readonly Range[] {
  const open = /^FOR VALUES FROM \((MINVALUE|'.*')\) TO \((MAXVALUE|'.*')\)$/.exec(boundText)
  return open ? [{ from: edge(open[1], keyType) ?? -far, to: edge(open[2], keyType) ?? far }] : []
}

const far = 1n << 70n

function edge(text: string | undefined, keyType: World['keyType']): bigint | undefined {
  const position = keyCodec(keyType).decode(text?.slice(1, -1) ?? '')
  return typeof position === 'bigint' ? position : undefined
}

function gaps({ partitions, keyType }: World, wanted: readonly Range[]): readonly Range[] {
  const spans = partitions
    .filter(({ detachPending }) => !detachPending)
    .flatMap((partition) => spanOf(partition, keyType))
    .sort((a, b) => (a.from < b.from ? -1 : 1))
  return wanted.filter(({ from, to }) => {
    let reached = from
    for (const span of spans) if (span.from <= reached && span.to > reached) reached = span.to
    return reached < to
  })
}

interface Drop {
  readonly operation: DropOperation
  readonly index: number
  /** The detached table that it is about, where it was detached before. */
  readonly table: DetachedTable | undefined
}

/** The drops of what the plan itself detaches, and those of what stands there detached. */
function dropsOf(
  { world }: PlanningCase,
  plan: MaintenancePlan,
): { readonly following: readonly Drop[]; readonly standing: readonly Drop[] } {
  const drops = plan.operations.flatMap((operation, index) =>
    operation.kind === 'drop'
      ? [{ operation, index, table: world.detached.find(({ oid }) => oid === operation.guard.oid) }]
      : [],
  )
  const follows = ({ operation }: Drop): boolean => operation.reason.code === 'follows-detach'
  return { following: drops.filter(follows), standing: drops.filter((drop) => !follows(drop)) }
}

/** What can stand between a wanted period and its partition. */
const obstacles: readonly string[] = [
  'default-too-large',
  'hazard-not-allowed',
  'range-overlap',
  'name-taken',
  'rows-in-default',
  'rows-in-default-referenced',
  'rows-in-default-published',
  'default-not-movable',
  'detach-pending',
  'detach-pending-unmarked',
]

/** What can stand between an expired partition and its detach. */
const keepsExpired: readonly string[] = [
  'concurrent-detach-impossible',
  'partition-referenced',
  'reference-check-unread',
  'reference-check-postponed',
]

describe('the planner', () => {
  test('detaches nothing but ordinary tables whose bounds lie in one period that has expired', () => {
    always((one, plan) => {
      const horizon = horizonOf(one)
      for (const { guard, partition } of of(plan, 'detach')) {
        const found = one.world.partitions.find(({ oid }) => oid === guard.oid)
        const range = rangeIn(found?.boundText ?? '', one.world.keyType)
        expect(found).toMatchObject({ name: partition, kind: 'table', detachPending: false })
        expect(guard.boundText).toBe(found?.boundText)
        expect(one.slots.some(({ from, to }) => range && range.from >= from && range.to <= to)).toBe(true)
        expect(horizon !== undefined && range !== undefined && range.to <= horizon).toBe(true)
      }
    })
  })

  test('never retires the current period or a future one', () => {
    always((one, plan) => {
      const now = one.slots[one.current]?.from ?? 0n
      for (const { guard } of of(plan, 'detach')) {
        expect((rangeIn(guard.boundText, one.world.keyType)?.to ?? now + 1n) <= now).toBe(true)
      }
    })
  })

  test('detaches everything that has expired, when nothing is in its way', () => {
    always((one, plan) => {
      const horizon = horizonOf(one)
      const pending = one.world.partitions.some(({ detachPending }) => detachPending)
      const refused = plan.findings.some(({ code }) => keepsExpired.includes(code))
      if (horizon === undefined || pending || refused) return
      const expired = one.world.partitions.filter(({ boundText, kind }) => {
        const range = rangeIn(boundText, one.world.keyType)
        return (
          kind === 'table' &&
          range !== undefined &&
          range.to <= horizon &&
          one.slots.some(({ from, to }) => range.from >= from && range.to <= to)
        )
      })
      const forbidden = expired.filter(({ name }) => isForbidden(plan, name))
      expect(forbidden.length === 0 || one.config.allowHazards !== undefined).toBe(true)
      expect(
        [...of(plan, 'detach').map(({ guard }) => guard.oid), ...forbidden.map(({ oid }) => oid)].sort(),
      ).toEqual(expired.map(({ oid }) => oid).sort())
    })
  })

  test('drops nothing but what it detaches itself, and marked tables that are attached nowhere', () => {
    always((one, plan) => {
      const { following, standing } = dropsOf(one, plan)
      for (const { operation, index } of following) {
        const before = plan.operations.slice(0, index)
        expect(
          before.some(
            ({ kind, guard }) => kind === 'detach' && 'oid' in guard && guard.oid === operation.guard.oid,
          ),
        ).toBe(true)
      }
      for (const { operation, table } of standing) {
        const { guard } = operation
        expect(one.world.partitions.some(({ oid }) => oid === guard.oid)).toBe(false)
        expect(table).toMatchObject({
          kind: 'table',
          comment: guard.comment,
          marker: { kind: guard.marker },
          ownerIsTrusted: true,
        })
        expect(
          table && whyNotTrusted(table.marker, { oid: guard.oid, database, parentOid: guard.parentOid }),
        ).toBeUndefined()
        // What was only built is empty, and nothing refers to what was detached.
        expect(
          guard.marker === 'building' ? one.world.filled.has(guard.oid) : table?.referencedBy.length !== 0,
        ).toBe(false)
      }
    })
  })

  test('attaches nothing but marked tables of trusted owners, each inside one period that is to be there or kept', () => {
    always((one, plan) => {
      const horizon = horizonOf(one)
      const end = one.slots[one.current + one.config.createAheadCount - 1]?.to
      for (const { guard, range } of of(plan, 'attach')) {
        const { decode } = keyCodec(one.world.keyType)
        const [from, to] = [decode(range.from), decode(range.to)]
        if (typeof from !== 'bigint' || typeof to !== 'bigint') throw new Error('The range is none.')
        expect(one.world.detached.find(({ oid }) => oid === guard.oid)?.ownerIsTrusted).toBe(true)
        expect(one.slots.some((slot) => from >= slot.from && to <= slot.to)).toBe(true)
        expect(end !== undefined && to <= end && (horizon === undefined || to > horizon)).toBe(true)
      }
    })
  })

  test('drops no orphan before its grace period is over, nor one whose period is kept', () => {
    always((one, plan) => {
      const { drop } = one.config.lifecycle
      const grace = drop.kind === 'after' ? drop.graceMicros : undefined
      const { following, standing } = dropsOf(one, plan)
      expect(following.length === 0 || grace === 0n).toBe(true)
      const orphans = standing.filter(({ operation }) => operation.guard.marker === 'orphan')
      expect(orphans.length === 0 || grace !== undefined).toBe(true)
      const horizon = horizonOf(one)
      for (const { table } of orphans) {
        const marker = table?.marker.kind === 'orphan' ? table.marker : undefined
        const age =
          marker?.detachedAt === undefined
            ? 0n
            : one.now.epochMicroseconds - Instant.from(marker.detachedAt).epochMicroseconds
        expect(age >= (grace ?? 0n)).toBe(true)
        const range = rangeIn(marker?.facts?.bound ?? '', one.world.keyType)
        expect(range === undefined || (horizon !== undefined && range.to <= horizon)).toBe(true)
      }
    })
  })

  test('leaves no gap from now to the creation horizon, or says why', () => {
    always((one, plan) => {
      const after = carriedOut(one.world, plan, one.now)
      const wanted = one.slots.slice(one.current, one.current + one.config.createAheadCount)
      const explained = plan.findings.some(({ code }) => obstacles.includes(code))
      expect(explained ? [] : gaps(after, wanted)).toEqual([])
    })
  })

  test('plans nothing that has a hazard which is not allowed', () => {
    always(({ config: { allowHazards } }, { operations }) => {
      if (allowHazards === undefined) return
      for (const { id, hazards } of operations) {
        expect(
          hazards.filter((hazard) => !allowHazards.includes(hazard)),
          id,
        ).toEqual([])
      }
    })
  })

  test('names no hazard of an operation twice', () => {
    always((_one, { operations }) => {
      for (const { id, hazards } of operations) expect(hazards, id).toEqual([...new Set(hazards)])
    })
  })

  test('creates nothing over what is there, and nothing twice', () => {
    always((one, plan) => {
      const after = carriedOut(one.world, plan, one.now)
      const ranges = after.partitions
        .map(({ boundText }) => rangeIn(boundText, one.world.keyType))
        .filter((range) => range !== undefined)
        .sort((a, b) => (a.from < b.from ? -1 : 1))
      for (const [index, range] of ranges.entries()) {
        const next = ranges[index + 1]
        expect(range.from < range.to && (next === undefined || range.to <= next.from)).toBe(true)
      }
      const names = [...after.partitions, ...after.detached].map(({ name }) => name.name)
      expect(new Set(names).size).toBe(names.length)
    })
  })

  test('has nothing left to do when its plan was carried out', () => {
    always((one, plan) => {
      let world = carriedOut(one.world, plan, one.now)
      let next = planWorld(world, one)
      // What is to be retired is planned once a pending detach is finished, and a name is free once its table is dropped.
      const freed = plan.findings.some(
        ({ code, next: then }) => code === 'name-taken' && then.startsWith('It is dropped'),
      )
      if (of(plan, 'finalize').length > 0 || freed) {
        world = carriedOut(world, next, one.now)
        next = planWorld(world, one)
      }
      expect(next.operations.map(({ id }) => id)).toEqual([])
    })
  })

  test('says the same of the same, byte for byte, and comes back from its file', () => {
    always((one, plan) => {
      const text = planToJson(plan)
      expect(planToJson(planWorld(one.world, one))).toBe(text)
      expect(planFromJson(text)).toEqual(plan)
    })
  })

  test('explains itself, in words of the catalog of findings', () => {
    always((one, plan) => {
      explainsItself(plan)
      for (const { code, severity } of plan.findings) expect(findingCatalog[code][0]).toBe(severity)
      expect(plan.basis.partitions).toHaveLength(treeOf(one.world, one.now).partitions.length)
    })
  })

  test('retires and drops nothing where nothing is configured to expire', () => {
    always((one) => {
      const { tableName, partitionColumn, granularity, timeZone, createAheadCount } = one.config
      const config = new TablePartitionConfig({
        tableName,
        partitionColumn,
        granularity,
        timeZone,
        createAheadCount,
      })
      const plan = planWorld(one.world, { ...one, config })
      expect(of(plan, 'detach')).toEqual([])
      for (const { guard } of of(plan, 'drop')) {
        const table = one.world.detached.find(({ oid }) => oid === guard.oid)
        // What a person has marked by hand may go; what the tool knows the period of stays.
        expect(
          guard.marker === 'building' ||
            (table?.marker.kind === 'orphan' && table.marker.facts?.bound === undefined),
        ).toBe(true)
      }
    })
  })

  test('the made-up worlds are worth something: every operation, reason and finding about a tree occurs in them', () => {
    const seen = new Set<string>()
    for (const one of fc.sample(planningCase, { seed: parameters.seed, numRuns: 3_000 })) {
      const plan = planWorld(one.world, one)
      for (const operation of plan.operations) seen.add(operation.kind).add(operation.reason.code)
      for (const { code } of plan.findings) seen.add(code)
    }
    const notAboutTrees = [
      'method-mismatch',
      'key-mismatch',
      'key-type-unsupported',
      'unique-key-lacks-partition-key',
      'bound-unreadable',
      'rights-missing',
      'orphan-inherits',
      'current-partition-missing',
      'detach-cannot-finish',
      'reattached-expired',
      'reference-check-too-long',
      'default-unread',
      'lock-timeout-held',
      'server-only-reads',
      'calendar-fits-nothing',
      'detach-left-pending',
    ]
    const reasons = [
      'create-ahead',
      'wanted-again',
      'detach-pending',
      'retention-expired',
      'follows-detach',
      'grace-elapsed',
      'half-built',
      'check-left-behind',
      'marker-left-behind',
    ]
    const codes = Object.keys(findingCatalog).filter((code) => !notAboutTrees.includes(code))
    const wanted = [...operationKinds, ...reasons, ...codes]
    expect(wanted.filter((word) => !seen.has(word))).toEqual([])
  })
})
