import type { PartitionTree } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import { digest } from './canonical.ts'

/** The part of the catalog that the decisions rest on. Sizes and estimates are not part of it. */
export interface PlanBasis {
  /** `<system identifier>/<database oid>` */
  readonly database: string
  readonly parentOid: string
  readonly partitions: readonly AttachedBasis[]
  readonly detached: readonly DetachedBasis[]
}

export interface AttachedBasis {
  readonly oid: string
  readonly name: string
  readonly bound: string
  readonly pending: boolean
  readonly marked: boolean
  /** It is DEFAULT, and has a CHECK that excludes a range. */
  readonly excludes?: true
}

export interface DetachedBasis {
  readonly oid: string
  readonly name: string
  /** A digest of the comment, marker included. */
  readonly comment: string
}

export function basisOf(tree: PartitionTree): PlanBasis {
  return {
    database: tree.server.database,
    parentOid: tree.parent.oid,
    partitions: tree.partitions.map((partition) => ({
      oid: partition.oid,
      name: formatTableName(partition.name),
      bound: partition.boundText,
      pending: partition.detachPending,
      marked: partition.marker !== undefined,
      ...(partition.bound?.kind === 'default' &&
        tree.parent.defaultExcludesRange && { excludes: tree.parent.defaultExcludesRange }),
    })),
    detached: tree.detached.map((table) => ({
      oid: table.oid,
      name: formatTableName(table.name),
      comment: digest(table.comment ?? ''),
    })),
  }
}

/** Says in sentences what is different now, or nothing when the plan still holds. */
export function whatMoved(before: PlanBasis, now: PlanBasis): readonly string[] {
  if (before.database !== now.database) return ['it was made on another database']
  if (before.parentOid !== now.parentOid) return ['the partitioned table was dropped and created again']
  const was = entriesOf(before)
  const is = entriesOf(now)
  const replaced = new Set([...is.values()].filter(({ oid }) => !was.has(oid)).map(({ name }) => name))
  const gone = [...was.values()].filter(({ oid }) => !is.has(oid))
  const lost = new Set(gone.map(({ name }) => name))
  return [
    ...[...is.values()].flatMap((entry) => {
      const earlier = was.get(entry.oid)
      if (earlier) return changes(earlier, entry)
      return lost.has(entry.name)
        ? [`${entry.name} was dropped and created again`]
        : [`${describe(entry)} now and was not there`]
    }),
    ...gone
      .filter(({ name }) => !replaced.has(name))
      .map((entry) => `${describe(entry, 'was')} and is not any more`),
  ]
}

type Entry = ({ readonly kind: 'attached' } & AttachedBasis) | ({ readonly kind: 'detached' } & DetachedBasis)

function entriesOf({ partitions, detached }: PlanBasis): ReadonlyMap<string, Entry> {
  return new Map<string, Entry>([
    ...partitions.map((entry) => [entry.oid, { kind: 'attached', ...entry }] as const),
    ...detached.map((entry) => [entry.oid, { kind: 'detached', ...entry }] as const),
  ])
}

function describe(entry: Entry, is: 'is' | 'was' = 'is'): string {
  const how = entry.kind === 'attached' ? `attached ${entry.bound}` : 'detached and marked'
  return `${entry.name} ${is} ${how}`
}

function changes(was: Entry, is: Entry): readonly string[] {
  const { name } = is
  const renamed = was.name === name ? [] : [`${was.name} was renamed to ${name}`]
  if (was.kind !== is.kind) return [...renamed, `${name} was ${was.kind} and is ${is.kind} now`]
  if (was.kind === 'detached' || is.kind === 'detached') {
    const same = was.kind === is.kind && 'comment' in was && 'comment' in is && was.comment === is.comment
    return same ? renamed : [...renamed, `the comment of ${name} was changed`]
  }
  return [
    ...renamed,
    ...(was.bound === is.bound ? [] : [`${name} was attached ${was.bound} and is attached ${is.bound} now`]),
    ...(was.pending === is.pending ? [] : [`${is.pending ? 'a' : 'no'} detach of ${name} is pending now`]),
    ...(was.excludes === is.excludes
      ? []
      : [`the CHECK that excludes a range from ${name} was ${is.excludes ? 'put on' : 'taken off'}`]),
    ...(was.marked === is.marked ? [] : [`the marker of ${name} was ${is.marked ? 'written' : 'removed'}`]),
  ]
}
