/** A made-up database for the pure planner: what is in it, what it answers, and what a plan makes of it. */

import { parseBound } from '../../src/model/bound-text.ts'
import type { PeriodCalculator } from '../../src/model/calendar.ts'
import type { Instant } from '../../src/model/instant.ts'
import type { TimeKeyType } from '../../src/model/key-codec.ts'
import { keyCodec } from '../../src/model/key-codec.ts'
import { decodeMarker, encodeMarker, withoutMarker } from '../../src/model/marker.ts'
import type { DetachedTable, Partition, PartitionTree, RelationKind } from '../../src/model/partition-tree.ts'
import { formatTableName } from '../../src/model/table-name.ts'
import type { Evidence, EvidenceRequest } from '../../src/plan/evidence.ts'
import type { Operation } from '../../src/plan/operation.ts'
import { evidenceNeeded, planTable } from '../../src/plan/planner.ts'
import type { MaintenancePlan } from '../../src/plan/plan.ts'
import type { PlanInput } from '../../src/plan/survey.ts'
import type { TablePartitionConfig } from '../../src/policy/config.ts'

export const database = '7123456789/5'
export const prefix = 'pg-partsmith'
const parent = { schema: 'public', name: 'events' }
const parentOid = '100'

export interface World {
  readonly keyType: TimeKeyType
  readonly partitions: readonly Partition[]
  readonly detached: readonly DetachedTable[]
  /** Names that belong to relations that are no business of the tool. */
  readonly strangers: ReadonlySet<string>
  /** Positions of rows in DEFAULT, in the order of the key's line. */
  readonly rowsInDefault: readonly bigint[]
  /** What reading DEFAULT under lock would cost; left out, it is not known. */
  readonly defaultScanBytes?: number
  /** OIDs of never attached tables that hold rows. */
  readonly filled: ReadonlySet<string>
  /** Whether another table refers to the parent. */
  readonly referenced: boolean
  /** Whether a run that was cut short has left its CHECK on DEFAULT. */
  readonly excluded?: true
  readonly published?: true
  readonly nextOid: number
}

export function rangeBound(keyType: TimeKeyType, from: bigint | undefined, to: bigint | undefined): string {
  const { encode } = keyCodec(keyType)
  const edge = (position: bigint | undefined, open: string): string =>
    position === undefined ? open : `'${encode(position)}'`
  return `FOR VALUES FROM (${edge(from, 'MINVALUE')}) TO (${edge(to, 'MAXVALUE')})`
}

export function attached(about: {
  readonly oid: string
  readonly name: string
  readonly boundText: string
  readonly kind?: RelationKind
  readonly pending?: boolean
  readonly comment?: string | undefined
}): Partition {
  return {
    oid: about.oid,
    name: { schema: 'public', name: about.name },
    kind: about.kind ?? 'table',
    owner: 'owner',
    owned: true,
    ownerIsTrusted: true,
    rowEstimate: undefined,
    sizeBytes: 8192,
    comment: about.comment,
    boundText: about.boundText,
    bound: parseBound(about.boundText),
    detachPending: about.pending ?? false,
    marker: decodeMarker(about.comment, prefix).marker,
  }
}

export function orphanComment(about: {
  readonly oid: string
  readonly bound: string | undefined
  readonly detachedAt: string
  readonly kind?: 'orphan' | 'building'
  readonly userComment?: string | null
}): string {
  const facts = { oid: about.oid, database, parentOid, parent, bound: about.bound }
  return encodeMarker(
    about.kind === 'building'
      ? { kind: 'building', facts }
      : { kind: 'orphan', detachedAt: about.detachedAt, facts },
    { prefix, userComment: about.userComment ?? null },
  )
}

export function detachedTable(about: {
  readonly oid: string
  readonly name: string
  readonly comment: string
  readonly kind?: RelationKind
  readonly referenced?: boolean
  readonly ownerIsTrusted?: boolean
}): DetachedTable | undefined {
  const { marker } = decodeMarker(about.comment, prefix)
  return (
    marker && {
      oid: about.oid,
      name: { schema: 'public', name: about.name },
      kind: about.kind ?? 'table',
      owner: 'owner',
      owned: true,
      ownerIsTrusted: about.ownerIsTrusted ?? true,
      rowEstimate: 10,
      sizeBytes: 8192,
      comment: about.comment,
      marker,
      heirOf: undefined,
      // Whatever type the key of the world has.
      columns: Object.values(typeNames).map((type) => ({ name: 'at', type })),
      referencedBy: about.referenced
        ? [{ name: 'notes_fkey', table: { schema: 'public', name: 'notes' } }]
        : [],
      foreignKeys: [],
    }
  )
}

const typeNames: Readonly<Record<TimeKeyType, string>> = {
  timestamptz: 'timestamp with time zone',
  timestamp: 'timestamp without time zone',
  date: 'date',
}

export function treeOf(world: World, now: Instant): PartitionTree {
  const foreignKeys = world.referenced
    ? [{ name: 'notes_fkey', table: { schema: 'public', name: 'notes' } }]
    : []
  return {
    server: {
      versionNum: 180_000,
      now,
      inRecovery: false,
      database,
      role: 'owner',
      deadlockTimeoutMs: 1000,
      shortestDeadlockTimeoutMs: 1000,
    },
    parent: {
      oid: parentOid,
      name: parent,
      method: 'range',
      key: [{ name: 'at', expression: undefined, type: typeNames[world.keyType] }],
      columns: ['id', 'at'],
      uniqueKeys: [],
      referencedBy: foreignKeys,
      foreignKeys: [],
      owner: 'owner',
      owned: true,
      mayCreate: true,
      mayEmptyDefault: true,
      excludes: false,
      ...(world.excluded && { defaultExcludesRange: world.excluded }),
      ...(world.published && { publishedBy: 'changes' }),
    },
    partitions: world.partitions,
    detached: world.detached,
  }
}

/** What the database would answer to the planner's questions. */
export function answers(world: World, request: EvidenceRequest): Evidence {
  const taken = new Map<string, { oid: string; what: string }>()
  for (const name of request.names) {
    const text = formatTableName(name)
    const table = [...world.partitions, ...world.detached].find(
      (relation) => formatTableName(relation.name) === text,
    )
    if (table) taken.set(text, { oid: table.oid, what: 'a table that is not attached' })
    else if (world.strangers.has(name.name)) taken.set(text, { oid: '9', what: 'a view' })
  }
  const { defaultRows } = request
  const codec = keyCodec(world.keyType)
  const position = (text: string): bigint => {
    const decoded = codec.decode(text)
    if (typeof decoded !== 'bigint') throw new Error(`${text} is not a bound that the planner may ask about.`)
    return decoded
  }
  return {
    takenNames: taken,
    rowsInDefault: new Map(
      (defaultRows?.ranges ?? []).map(({ from, to }) => [
        from,
        world.rowsInDefault.filter((row) => row >= position(from) && row < position(to)).length,
      ]),
    ),
    ...(defaultRows && {
      rowsAstray: world.rowsInDefault.filter(
        (row) =>
          row < position(defaultRows.before) &&
          !defaultRows.ranges.some(({ from, to }) => row >= position(from) && row < position(to)),
      ).length,
      rowsAhead: world.rowsInDefault.some((row) => row >= position(defaultRows.ahead)),
      ...(world.defaultScanBytes !== undefined && {
        defaultScan: { bytes: world.defaultScanBytes, keyIndexed: true },
      }),
    }),
    empty: new Set(request.maybeEmpty.map(({ oid }) => oid).filter((oid) => !world.filled.has(oid))),
    ...(request.references && { references: referencesIn(request.references) }),
    ...(request.leaving && { dependents: dependentsOf(request.leaving) }),
  }
}

/** A view on some of them, always on the same ones. */
function dependentsOf(leaving: NonNullable<EvidenceRequest['leaving']>): NonNullable<Evidence['dependents']> {
  return new Map(leaving.map(({ oid }) => [oid, Number(oid) % 5 === 2 ? ['view report'] : []]))
}

/** Some are referred to, some cannot be read, for some there is no time; always the same ones. */
function referencesIn({
  partitions,
}: NonNullable<EvidenceRequest['references']>): NonNullable<Evidence['references']> {
  return new Map(
    partitions.flatMap(({ oid }) => {
      const number = Number(oid) % 10
      if (number === 0) return []
      const answer =
        number === 1
          ? ({ kind: 'unread', why: 'canceling statement due to lock timeout' } as const)
          : ({ kind: 'read', rows: number === 2 ? 3 : 0, ms: 2 } as const)
      const table = { schema: 'public', name: 'notes' }
      return [
        [
          oid,
          [{ foreignKey: 'notes_fkey', table, columns: ['id'], bytes: 8192, indexed: true, answer }],
        ] as const,
      ]
    }),
  )
}

export interface Asked {
  readonly config: TablePartitionConfig
  readonly calculator: PeriodCalculator
  readonly now: Instant
}

export function planWorld(world: World, { config, calculator, now }: Asked): MaintenancePlan {
  const input: PlanInput = {
    config,
    calculator,
    tree: treeOf(world, now),
    ddlTimezone: null,
    lockTimeoutMs: 100,
  }
  return planTable(input, answers(world, evidenceNeeded(input)))
}

/** The world after the plan was carried out, each operation as it was planned. Throws where one makes no sense. */
export function carriedOut(world: World, plan: MaintenancePlan, now: Instant): World {
  return plan.operations.reduce((before, operation) => after(before, operation, now), world)
}

function after(world: World, operation: Operation, now: Instant): World {
  const name = formatTableName(operation.partition)
  const partition = world.partitions.find((one) => formatTableName(one.name) === name)
  const table = world.detached.find((one) => formatTableName(one.name) === name)
  const others = world.partitions.filter((one) => one !== partition)
  const otherTables = world.detached.filter((one) => one !== table)
  const must = <T>(found: T | undefined): T => {
    if (found === undefined) throw new Error(`${operation.id} is about something that is not there.`)
    return found
  }
  switch (operation.kind) {
    case 'create':
    case 'attach': {
      const oid = operation.kind === 'create' ? String(world.nextOid) : must(table).oid
      if (operation.kind === 'create' && (partition ?? table) !== undefined) {
        throw new Error(`${operation.id} makes what is there.`)
      }
      const codec = keyCodec(world.keyType)
      const [from, to] = [codec.decode(operation.range.from), codec.decode(operation.range.to)]
      if (typeof from !== 'bigint' || typeof to !== 'bigint') throw new Error(`${operation.id} has no range.`)
      const added = attached({
        oid,
        name: operation.partition.name,
        boundText: rangeBound(world.keyType, from, to),
        comment: withoutMarker(table?.comment, prefix) ?? undefined,
      })
      return {
        ...world,
        partitions: [...world.partitions, added],
        detached: otherTables,
        rowsInDefault: world.rowsInDefault.filter((row) => row < from || row >= to),
        nextOid: world.nextOid + 1,
      }
    }
    case 'finalize': {
      const { oid, comment } = must(partition)
      const orphan = detachedTable({ oid, name: operation.partition.name, comment: comment ?? '' })
      return orphan
        ? { ...world, partitions: others, detached: [...world.detached, orphan] }
        : { ...world, partitions: others, strangers: new Set([...world.strangers, operation.partition.name]) }
    }
    case 'detach': {
      const { oid, boundText, comment } = must(partition)
      const orphan = detachedTable({
        oid,
        name: operation.partition.name,
        comment: orphanComment({
          oid,
          bound: boundText,
          detachedAt: now.toString(),
          userComment: withoutMarker(comment, prefix),
        }),
      })
      return { ...world, partitions: others, detached: [...world.detached, must(orphan)] }
    }
    case 'drop':
      must(table)
      return { ...world, detached: otherTables }
    case 'unmark': {
      const { oid, boundText, kind, comment } = must(partition)
      const clean = attached({
        oid,
        name: operation.partition.name,
        boundText,
        kind,
        comment: withoutMarker(comment, prefix) ?? undefined,
      })
      return { ...world, partitions: [...others, clean] }
    }
    case 'readmit': {
      if (must(partition).bound?.kind !== 'default') throw new Error(`${operation.id} is not about DEFAULT.`)
      const { excluded: _, ...rest } = world
      return rest
    }
  }
}
