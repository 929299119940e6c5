import type { Partition } from '../model/partition-tree.ts'
import { quoteIdentifier } from '../model/quote.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest, ReferenceCheck } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { listed } from './listed.ts'
import { describeLimit, longestStatementMs, longestWaitMs, raiseLimit } from './lock-limit.ts'
import type { RangeText, ScanUse } from './operation.ts'
import { priceOfScan } from './scan-price.ts'
import { askForGrants } from './rights.ts'
import type { PlanInput } from './survey.ts'

/** An attached partition that has expired and that this version can retire. */
export interface ExpiredPartition {
  readonly from: bigint
  readonly partition: Partition
  readonly range: RangeText
}

/** An expired partition that can go, and what the server reads with its locks in hand to see that. */
export interface LeavingPartition extends ExpiredPartition {
  readonly scans: readonly ScanUse[]
  /** Whether one of the tables has no index by which rows that refer are found. */
  readonly readsAll: boolean
}

const mostRows = 10_000

/** What has to be known about rows that refer to what expired; nothing where none can be detached in this run. */
export function referencesNeeded(
  input: PlanInput,
  expired: readonly ExpiredPartition[],
): Pick<EvidenceRequest, 'references'> {
  const { config, tree, explicit } = input
  const isPending = tree.partitions.some(({ detachPending }) => detachPending)
  // Whoever asks for one partition does not wait for questions about others.
  const isAboutOthers = explicit !== undefined
  const isImpossible = config.lifecycle.detach === 'concurrent'
  if (expired.length === 0 || tree.parent.referencedBy.length === 0) return {}
  if (isPending || isAboutOthers || isImpossible) return {}
  return {
    references: {
      key: config.partitionColumn,
      partitions: expired.map(({ partition: { oid, name }, range }) => ({ oid, name, range })),
      mostRows,
      longestMs: longestWaitMs(input),
      withinMs: longestStatementMs(input),
    },
  }
}

/** Which of the expired partitions can go as far as foreign keys are concerned, and why the others cannot. */
export function decideReferences(
  input: PlanInput,
  expired: readonly ExpiredPartition[],
  evidence: Evidence,
): { readonly leaving: readonly LeavingPartition[]; readonly findings: readonly Finding[] } {
  const { references } = referencesNeeded(input, expired)
  if (!references) {
    const mayGo = input.explicit === undefined || input.tree.parent.referencedBy.length === 0
    return {
      leaving: mayGo ? expired.map((one) => ({ ...one, scans: [], readsAll: false })) : [],
      findings: [],
    }
  }
  const { longestMs, withinMs } = references
  const leaving: LeavingPartition[] = []
  const postponed: Partition[] = []
  const kept: Kept = { referred: new Map(), tooLong: new Map(), unread: new Map() }
  const denied = new Map<string, ReferenceCheck>()
  for (const one of expired) {
    const checks = evidence.references?.get(one.partition.oid)
    if (!checks) postponed.push(one.partition)
    else if (!isKept(one.partition, { checks, longestMs, kept })) leaving.push(withScans(one, checks))
    for (const check of checks ?? []) if (check.answer.kind === 'denied') denied.set(keyOf(check), check)
  }
  return {
    leaving,
    findings: [
      ...[...denied.values()].map((check) => mayNotRead(check)),
      ...[...kept.referred.values()].map(areReferredTo),
      ...[...kept.tooLong.values()].map((group) => takesTooLong(group, input)),
      ...[...kept.unread.values()].map(cannotBeRead),
      ...notLookedAt(postponed, withinMs),
    ],
  }
}

/** Partitions that are kept for the same reason and because of the same foreign key. */
interface Group {
  readonly partitions: Partition[]
  /** What was found about each, with its name. */
  readonly said: string[]
  /** The first of them. */
  readonly check: ReferenceCheck
  /** The longest that the checks of one of them take, and how many more foreign keys than this one those are of. */
  totalMs: number
  others: number
}

type Kept = Readonly<Record<'referred' | 'tooLong' | 'unread', Map<string, Group>>>

function isKept(
  partition: Partition,
  about: { readonly checks: readonly ReferenceCheck[]; readonly longestMs: number; readonly kept: Kept },
): boolean {
  const { checks, longestMs, kept } = about
  const name = formatTableName(partition.name)
  const referred = checks.filter((check) => rowsOf(check) > 0)
  for (const check of referred) {
    add(kept.referred, check, { partition, said: `${name} (${countedRows(rowsOf(check))})` })
  }
  if (referred.length > 0) return true
  const unread = checks.filter(({ answer }) => answer.kind === 'unread')
  for (const check of unread) add(kept.unread, check, { partition, said: name })
  if (unread.length > 0) return true
  const totalMs = checks.reduce((sum, check) => sum + msOf(check), 0)
  const [slowest] = [...checks].sort((a, b) => msOf(b) - msOf(a))
  if (!slowest || totalMs <= longestMs) return false
  const others = checks.length - 1
  add(kept.tooLong, slowest, { partition, said: name, totalMs, others })
  return true
}

function add(
  groups: Map<string, Group>,
  check: ReferenceCheck,
  about: {
    readonly partition: Partition
    readonly said: string
    readonly totalMs?: number
    readonly others?: number
  },
): void {
  const { partition, said, totalMs = 0, others = 0 } = about
  const group = groups.get(keyOf(check)) ?? { partitions: [], said: [], check, totalMs, others }
  group.partitions.push(partition)
  group.said.push(said)
  group.totalMs = Math.max(group.totalMs, totalMs)
  groups.set(keyOf(check), group)
}

function withScans(one: ExpiredPartition, checks: readonly ReferenceCheck[]): LeavingPartition {
  return {
    ...one,
    scans: checks.map((check) => ({
      relation: check.table,
      bytes: check.bytes,
      estimatedMs: check.answer.kind === 'read' ? Math.ceil(check.answer.ms) : priceOfScan(check.bytes),
    })),
    readsAll: checks.some(({ indexed, bytes }) => !indexed && bytes > 0),
  }
}

function areReferredTo({ check, ...group }: Group): Finding {
  const table = formatTableName(check.table)
  const [only] = group.partitions
  const isOne = group.partitions.length === 1
  const what = isOne && only ? formatTableName(only.name) : listed(group.said)
  const who = isOne
    ? `${countedRows(rowsOf(check))} of ${table} refer to it`
    : `rows of ${table} refer to them`
  return finding('partition-referenced', {
    ...(isOne && only && { relation: only.name }),
    message: `${what} expired and ${isOne ? 'is' : 'are'} not detached: ${isOne && rowsOf(check) === 1 ? who.replace(' refer ', ' refers ') : who} (foreign key ${check.foreignKey}).`,
    next: `Delete those rows of ${table}, or have them refer to rows that stay; the next run detaches what nothing refers to.`,
  })
}

function takesTooLong({ check, totalMs, others, ...group }: Group, input: PlanInput): Finding {
  const table = formatTableName(check.table)
  const [only] = group.partitions
  const isOne = group.partitions.length === 1
  const ms = `${check.answer.kind === 'at-least' ? 'at least ' : ''}${Math.ceil(totalMs)} ms`
  const besides = others === 0 ? '' : `, with ${others} more foreign ${others === 1 ? 'key' : 'keys'}`
  const columns = check.columns.map(quoteIdentifier).join(', ')
  const instead = `${raiseLimit(input, Math.ceil(totalMs))} for an hour in which readers and writers may wait, or detach by hand`
  return finding('reference-check-too-long', {
    ...(isOne && only && { relation: only.name }),
    message: `${listed(group.said)} expired and ${isOne ? 'is' : 'are'} not detached: to see that no row of ${table} refers to ${isOne ? 'it' : 'them'} (foreign key ${check.foreignKey}), PostgreSQL looks through ${table} (${sizeOf(check.bytes)}) under a lock that stops readers and writers of both tables. That was measured without the lock: ${ms}${besides}, longer than ${describeLimit(input)}.`,
    next: check.indexed
      ? `${table} has an index that begins with ${columns}, so ${instead}.`
      : `${table} has no index that begins with ${columns}: create one, which makes it short where the partition has few rows (where it has many, it can still be too long); otherwise ${instead}.`,
  })
}

function cannotBeRead({ check, ...group }: Group): Finding {
  const [only] = group.partitions
  const isOne = group.partitions.length === 1
  return finding('reference-check-unread', {
    ...(isOne && only && { relation: only.name }),
    message: `${listed(group.said)} expired and ${isOne ? 'is' : 'are'} not detached: whether rows of ${formatTableName(check.table)} refer to ${isOne ? 'it' : 'them'} (foreign key ${check.foreignKey}) could not be read: ${whyOf(check)}.`,
    next: 'Nothing, where somebody has the table locked: the next run looks again. Otherwise remove what the server names.',
  })
}

/** What is planned stays planned: whoever applies may be another role, and the server checks in any case. */
function mayNotRead(check: ReferenceCheck): Finding {
  const table = formatTableName(check.table)
  return finding('rights-missing', {
    relation: check.table,
    message: `Whether rows of ${table} refer to what is to be detached (foreign key ${check.foreignKey}) may not be read: ${whyOf(check)}. PostgreSQL looks there with the rights of whoever detaches, so without them the detach fails.`,
    next: askForGrants,
  })
}

function notLookedAt(partitions: readonly Partition[], withinMs: number): readonly Finding[] {
  if (partitions.length === 0) return []
  const names = listed(partitions.map(({ name }) => formatTableName(name)))
  return [
    finding('reference-check-postponed', {
      message: `${names} expired and ${partitions.length === 1 ? 'is' : 'are'} not detached now: the ${withinMs} ms that a run looks for rows that refer to partitions (statementTimeoutMs) were used up before.`,
      next: 'Nothing: the next run looks at the rest, once the others are detached.',
    }),
  ]
}

function keyOf({ foreignKey, table }: ReferenceCheck): string {
  return `${formatTableName(table)} ${foreignKey}`
}

function rowsOf({ answer }: ReferenceCheck): number {
  return answer.kind === 'read' ? answer.rows : 0
}

function msOf({ answer }: ReferenceCheck): number {
  return answer.kind === 'read' || answer.kind === 'at-least' ? answer.ms : 0
}

function whyOf({ answer }: ReferenceCheck): string {
  return 'why' in answer ? answer.why.replace(/\.$/, '') : ''
}

function countedRows(rows: number): string {
  if (rows >= mostRows) return `at least ${mostRows.toLocaleString('en-US')} rows`
  return rows === 1 ? '1 row' : `${rows.toLocaleString('en-US')} rows`
}

function sizeOf(bytes: number): string {
  return bytes < 1_048_576 ? `${Math.ceil(bytes / 1024)} kB` : `${Math.ceil(bytes / 1_048_576)} MB`
}
