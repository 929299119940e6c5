import { MonthPeriodCalculator } from '../../src/model/calendar.ts'
import { parseBound } from '../../src/model/bound-text.ts'
import { Instant } from '../../src/model/instant.ts'
import { decodeMarker, withMarker } from '../../src/model/marker.ts'
import type { DetachedTable, ForeignKey, Partition, PartitionTree } from '../../src/model/partition-tree.ts'
import type { Operation, OperationKind } from '../../src/plan/operation.ts'
import type { ReferenceCheck } from '../../src/plan/evidence.ts'
import { noEvidence } from '../../src/plan/evidence.ts'
import { planTable } from '../../src/plan/planner.ts'
import { TablePartitionConfig } from '../../src/policy/config.ts'

/** Plans of the real planner for made-up tables, one operation of each kind, to be shown in the documentation. */

const database = '7500000000000000001/16384'
const parent = { schema: 'app', name: 'events' }
const parentOid = '16400'
const prefix = 'pg-partsmith'

/** In what a table lives, as far as the locks depend on it. */
export interface Surroundings {
  readonly default?: boolean
  /** `app.events` refers to `app.accounts`, and `app.notes` refers to `app.events`. */
  readonly foreignKeys?: boolean
  /** DEFAULT, `app.accounts` and `app.notes` have a partition each, called as they are with `_p0` behind it. */
  readonly partitioned?: boolean
  /** `app.events` refers to itself. */
  readonly selfReferring?: boolean
}

export const serverFacts: PartitionTree['server'] = {
  versionNum: 180000,
  now: Instant.from('2026-03-15T12:00:00Z'),
  inRecovery: false,
  role: 'app',
  database,
  deadlockTimeoutMs: 1000,
  shortestDeadlockTimeoutMs: 1000,
}

const config = new TablePartitionConfig({
  schema: parent.schema,
  tableName: parent.name,
  partitionColumn: 'created_at',
  granularity: 'month',
  createAheadCount: 1,
  retentionCount: 2,
})

const february: [string, string] = ['2026-02-01', '2026-03-01']
const sibling = 'events__2026_02'
const march: [string, string] = ['2026-03-01', '2026-04-01']
const january: [string, string] = ['2026-01-01', '2026-02-01']

/** What is there before each kind of operation is planned. */
const situations = (): Readonly<Record<OperationKind, Pick<PartitionTree, 'partitions' | 'detached'>>> => ({
  create: { partitions: [], detached: [] },
  attach: { partitions: [], detached: [detached('events__2026_03', march)] },
  finalize: {
    partitions: [attached('events__2026_03', march), attached('events__2026_01', january, { pending: true })],
    detached: [],
  },
  detach: {
    partitions: [attached('events__2026_03', march), attached('events__2026_01', january)],
    detached: [],
  },
  drop: {
    partitions: [attached('events__2026_03', march)],
    detached: [detached('events__2026_01', january)],
  },
  unmark: { partitions: [attached('events__2026_03', march, { marked: true })], detached: [] },
  readmit: { partitions: [attached('events__2026_03', march)], detached: [] },
})

/** An operation of the kind, as it is planned in these surroundings. */
export function sampleOperation(
  kind: OperationKind,
  { default: hasDefault, foreignKeys, partitioned, selfReferring }: Surroundings = {},
): Operation {
  const below = (name: string): Pick<ForeignKey, 'partitions'> =>
    partitioned ? { partitions: [{ schema: 'app', name: `${name}_p0` }] } : {}
  const self: readonly ForeignKey[] = selfReferring ? [{ name: 'events_cause_fkey', table: parent }] : []
  const out: readonly ForeignKey[] = foreignKeys
    ? [{ name: 'events_account_fkey', table: { schema: 'app', name: 'accounts' }, ...below('accounts') }]
    : self
  const into: readonly ForeignKey[] = foreignKeys
    ? [{ name: 'notes_event_fkey', table: { schema: 'app', name: 'notes' }, ...below('notes') }]
    : self
  const excludes = kind === 'readmit'
  const { partitions, detached: orphans } = situations()[kind]
  const tree: PartitionTree = {
    server: serverFacts,
    parent: {
      oid: parentOid,
      name: parent,
      method: 'range',
      key: [{ name: 'created_at', expression: undefined, type: 'timestamp with time zone' }],
      columns: ['id', 'created_at', 'payload'],
      uniqueKeys: [],
      referencedBy: into,
      foreignKeys: out,
      owner: 'app',
      owned: true,
      mayCreate: true,
      mayEmptyDefault: true,
      ...(excludes && { defaultExcludesRange: true }),
      excludes: false,
    },
    partitions:
      hasDefault || excludes
        ? [...partitions, { ...defaultPartition, ...below(defaultPartition.name.name) }]
        : [...partitions, ...(selfReferring ? [attached(sibling, february)] : [])],
    detached: orphans.map((table) => ({ ...table, foreignKeys: out })),
  }
  const checks: readonly ReferenceCheck[] = into.map(({ name, table }) => ({
    foreignKey: name,
    table,
    columns: ['event_id', 'event_created_at'],
    bytes: 81920,
    indexed: false,
    answer: { kind: 'read', rows: 0, ms: 1 },
  }))
  const references = new Map(partitions.map(({ oid }) => [oid, checks]))
  const plan = planTable(
    { config, calculator: new MonthPeriodCalculator(), tree },
    { ...noEvidence, references },
  )
  const found = plan.operations.find((operation) => operation.kind === kind)
  if (found === undefined)
    throw new Error(`The sample for ${kind} has no such operation: ${JSON.stringify(plan.findings)}`)
  return found
}

const relation = {
  kind: 'table',
  owner: 'app',
  owned: true,
  ownerIsTrusted: true,
  rowEstimate: 1000,
  sizeBytes: 81920,
} as const

const defaultPartition: Partition = {
  ...relation,
  oid: '16499',
  name: { schema: 'app', name: 'events_default' },
  comment: undefined,
  boundText: 'DEFAULT',
  bound: { kind: 'default' },
  detachPending: false,
  marker: undefined,
}

function boundText([from, to]: [string, string]): string {
  return `FOR VALUES FROM ('${from} 00:00:00+00') TO ('${to} 00:00:00+00')`
}

function oidOf(name: string): string {
  return name === 'events__2026_03' ? '16410' : '16420'
}

function orphanComment(name: string, range: [string, string]): string {
  const facts = { oid: oidOf(name), database, parentOid, parent, bound: boundText(range) }
  return withMarker(null, { kind: 'orphan', detachedAt: '2026-03-01T05:00:00Z', facts }, prefix)
}

function attached(
  name: string,
  range: [string, string],
  { pending = false, marked = pending }: { readonly pending?: boolean; readonly marked?: boolean } = {},
): Partition {
  const text = boundText(range)
  const comment = marked ? orphanComment(name, range) : undefined
  return {
    ...relation,
    oid: oidOf(name),
    name: { schema: 'app', name },
    comment,
    boundText: text,
    bound: parseBound(text),
    detachPending: pending,
    marker: decodeMarker(comment, prefix).marker,
  }
}

function detached(name: string, range: [string, string]): DetachedTable {
  const comment = orphanComment(name, range)
  const { marker } = decodeMarker(comment, prefix)
  if (marker === undefined) throw new Error('The sample has no marker.')
  return {
    ...relation,
    oid: oidOf(name),
    name: { schema: 'app', name },
    comment,
    marker,
    heirOf: undefined,
    columns: [],
    referencedBy: [],
    foreignKeys: [],
  }
}
