import type { Hazard } from '../policy/hazard.ts'
import type { DetachedTable, ForeignKey, Partition, PartitionTree } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import { hazardsOfLocks, lockOfNew, lockUse, lockUsesBelow, strongestOfEach } from './lock-use.ts'
import type {
  AttachOperation,
  CreateOperation,
  DetachOperation,
  DropOperation,
  FinalizeOperation,
  LockUse,
  ParentGuard,
  PartitionGuard,
  RangeText,
  ReadmitOperation,
  Reason,
  ScanUse,
  UnmarkOperation,
} from './operation.ts'

/** What every operation on one table is built from. */
export interface BuildContext {
  readonly config: TablePartitionConfig
  readonly tree: PartitionTree
}

export function createOperation(
  { config, tree }: BuildContext,
  about: {
    partition: TableName
    range: RangeText
    reason: Reason
    rowsInDefault: number
    scans: readonly ScanUse[]
    excludesFromDefault?: { before: string }
  },
): CreateOperation {
  const { parent } = tree
  const locks = attachLocks(tree, lockOfNew(about.partition), 'SHARE ROW EXCLUSIVE')
  return {
    kind: 'create',
    id: id('create', about.partition),
    parent: parent.name,
    ...about,
    key: config.partitionColumn,
    maxRowsFromDefault: config.maxRowsFromDefault,
    ...(parent.accessMethod !== undefined && { accessMethod: parent.accessMethod }),
    ...(parent.tablespace !== undefined && { tablespace: parent.tablespace }),
    ...(parent.excludes && { attachBuildsIndexes: true }),
    hazards: [
      ...hazardsOfLocks(locks),
      ...(about.excludesFromDefault ? (['rejects-inserts'] as const) : attachHazards(about)),
    ],
    locks,
    guard: parentGuard(tree),
  }
}

export function attachOperation(
  { config, tree }: BuildContext,
  about: {
    table: DetachedTable
    range: RangeText
    reason: Reason
    rowsInDefault: number
    scans: readonly ScanUse[]
  },
): AttachOperation {
  const { table, ...rest } = about
  // A key that it has or gets on its way back becomes one with the parent's: its triggers at the other end are dropped.
  const own = lockUse('partition', table.name, 'ACCESS EXCLUSIVE')
  const locks = attachLocks(tree, own, 'ACCESS EXCLUSIVE')
  return {
    kind: 'attach',
    id: id('attach', table.name),
    parent: tree.parent.name,
    partition: table.name,
    ...rest,
    key: config.partitionColumn,
    maxRowsFromDefault: config.maxRowsFromDefault,
    provesRange: table.kind === 'table',
    hazards: [...hazardsOfLocks(locks), ...attachHazards(about, table)],
    locks,
    ...estimates(table),
    guard: { ...parentGuard(tree), oid: table.oid, comment: table.comment ?? null },
  }
}

export function finalizeOperation({ tree }: BuildContext, partition: Partition): FinalizeOperation {
  const locks = strongestOfEach([
    lockUse('parent', tree.parent.name, 'SHARE UPDATE EXCLUSIVE'),
    lockUse('partition', partition.name, 'ACCESS EXCLUSIVE'),
    ...lockUsesBelow(partition.name, { ...partition, role: 'partition', mode: 'ACCESS EXCLUSIVE' }),
    ...referenced(tree, tree.parent.foreignKeys, 'SHARE ROW EXCLUSIVE'),
    ...referencing(tree, 'ACCESS EXCLUSIVE'),
  ])
  return {
    kind: 'finalize',
    id: id('finalize', partition.name),
    parent: tree.parent.name,
    partition: partition.name,
    reason: {
      code: 'detach-pending',
      text: partition.marker
        ? 'a concurrent detach was begun and did not finish'
        : 'a concurrent detach that this tool did not begin is pending; the table stays unmanaged',
    },
    hazards: hazardsOfLocks(locks),
    locks,
    scans: [],
    ...estimates(partition),
    guard: {
      ...partitionGuard(tree, partition),
      ...(partition.marker?.kind === 'orphan' && { marked: true as const }),
    },
  }
}

export function detachOperation(
  { config, tree }: BuildContext,
  about: {
    partition: Partition
    range: RangeText
    reason: Reason
    scans: readonly ScanUse[]
    readsAll: boolean
  },
): DetachOperation {
  const { partition, range, reason, scans, readsAll } = about
  const fallback = defaultPartition(tree)
  const foreign = [
    ...referenced(tree, tree.parent.foreignKeys, 'SHARE ROW EXCLUSIVE'),
    ...referencing(tree, 'ACCESS EXCLUSIVE'),
    // The server reads them for rows that refer to the partition.
    ...tree.parent.referencedBy.flatMap(({ table, partitions }) =>
      lockUsesBelow(table, { role: 'referencing', mode: 'ACCESS SHARE', partitions }),
    ),
  ]
  // Decided here, so that the printed lock is the real one. With a DEFAULT PostgreSQL refuses CONCURRENTLY (55000). With
  // foreign keys it locks the tables at their other ends, waits for that without a limit, and their writers wait with it.
  // Through a pooler the timeouts that could leave it half-done cannot be turned off for it.
  const mayBe = fallback === undefined && foreign.length === 0 && tree.server.pooled !== true
  const concurrent = config.lifecycle.detach !== 'blocking' && mayBe
  const locks = concurrent
    ? [
        lockUse('parent', tree.parent.name, 'SHARE UPDATE EXCLUSIVE'),
        lockUse('partition', partition.name, 'ACCESS EXCLUSIVE'),
      ]
    : strongestOfEach([
        lockUse('parent', tree.parent.name, 'ACCESS EXCLUSIVE'),
        ...(fallback ? [lockUse('default', fallback.name, 'ACCESS EXCLUSIVE')] : []),
        lockUse('partition', partition.name, 'ACCESS EXCLUSIVE'),
        ...foreign,
      ])
  return {
    kind: 'detach',
    id: id('detach', partition.name),
    parent: tree.parent.name,
    partition: partition.name,
    mode: concurrent ? 'concurrent' : 'blocking',
    range,
    reason,
    hazards: [
      'hides-data',
      ...(concurrent ? (['not-transactional'] as const) : []),
      ...hazardsOfLocks(locks),
      ...(readsAll ? (['full-scan'] as const) : []),
    ],
    locks,
    scans,
    ...estimates(partition),
    guard: partitionGuard(tree, partition),
  }
}

export function dropOperation(
  { tree }: BuildContext,
  about: {
    table: Pick<DetachedTable, 'oid' | 'name' | 'sizeBytes' | 'rowEstimate'>
    foreignKeys: readonly ForeignKey[]
    comment: string | null
    marker: 'orphan' | 'building'
    reason: Reason
    range?: RangeText
  },
): DropOperation {
  const { table, foreignKeys, comment, marker, reason, range } = about
  const locks = strongestOfEach([
    lockUse('partition', table.name, 'ACCESS EXCLUSIVE'),
    ...referenced(tree, foreignKeys, 'ACCESS EXCLUSIVE'),
  ])
  return {
    kind: 'drop',
    id: id('drop', table.name),
    parent: tree.parent.name,
    partition: table.name,
    reason,
    ...(range && { range }),
    hazards: [...(marker === 'orphan' ? (['deletes-data'] as const) : []), ...hazardsOfLocks(locks)],
    locks,
    scans: [],
    ...estimates(table),
    guard: { parentOid: tree.parent.oid, oid: table.oid, comment, marker },
  }
}

export function unmarkOperation({ tree }: BuildContext, partition: Partition): UnmarkOperation {
  return {
    kind: 'unmark',
    id: id('unmark', partition.name),
    parent: tree.parent.name,
    partition: partition.name,
    reason: {
      code: 'marker-left-behind',
      text: 'marked for a detach that did not happen, and the partition has not expired',
    },
    hazards: [],
    locks: [lockUse('partition', partition.name, 'SHARE UPDATE EXCLUSIVE')],
    scans: [],
    guard: { ...partitionGuard(tree, partition), comment: partition.comment ?? '' },
  }
}

export function readmitOperation(
  { tree }: Pick<BuildContext, 'tree'>,
  { name, oid }: Pick<Partition, 'name' | 'oid'>,
): ReadmitOperation {
  const locks = [lockUse('default', name, 'ACCESS EXCLUSIVE')]
  return {
    kind: 'readmit',
    id: id('readmit', name),
    parent: tree.parent.name,
    partition: name,
    reason: {
      code: 'check-left-behind',
      text: 'a run that was cut short excluded a range from it, and inserts there fail',
    },
    hazards: hazardsOfLocks(locks),
    locks,
    scans: [],
    guard: { parentOid: tree.parent.oid, oid },
  }
}

/** A table that cannot prove its range is read by ATTACH, as DEFAULT is. */
function attachHazards(
  { scans, rowsInDefault }: { readonly scans: readonly ScanUse[]; readonly rowsInDefault: number },
  table?: DetachedTable,
): readonly Hazard[] {
  const scansAny = scans.length > 0 || (table !== undefined && table.kind !== 'table')
  return [
    ...(scansAny ? (['full-scan'] as const) : []),
    ...(rowsInDefault > 0 ? (['rewrites-rows'] as const) : []),
  ]
}

/**
 * With a DEFAULT the parent is locked ACCESS EXCLUSIVE first: under ATTACH's own lock an insert that was routed to
 * DEFAULT before would fail with 23514 instead of waiting.
 */
function attachLocks(
  tree: PartitionTree,
  own: LockUse,
  modeOfReferenced: LockUse['mode'],
): readonly LockUse[] {
  const fallback = defaultPartition(tree)
  return strongestOfEach([
    lockUse('parent', tree.parent.name, fallback ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE'),
    ...(fallback
      ? [
          lockUse('default', fallback.name, 'ACCESS EXCLUSIVE'),
          ...lockUsesBelow(fallback.name, { ...fallback, role: 'default', mode: 'ACCESS EXCLUSIVE' }),
        ]
      : []),
    own,
    ...referenced(tree, tree.parent.foreignKeys, modeOfReferenced),
    ...referencing(tree, 'SHARE ROW EXCLUSIVE'),
  ])
}

/** A trigger of the key on the table that is referred to comes or goes, and on all that is below it. */
function referenced(
  tree: PartitionTree,
  keys: readonly ForeignKey[],
  mode: LockUse['mode'],
): readonly LockUse[] {
  return keys.flatMap(({ table, partitions }) => [
    lockUse('referenced', table, mode),
    ...lockUsesBelow(table, {
      role: 'referenced',
      mode,
      partitions: partitions ?? partitionsOf(tree, table),
    }),
  ])
}

/** Of the parent itself, or as its own foreign keys say. */
function partitionsOf({ parent, partitions }: PartitionTree, table: TableName): readonly TableName[] {
  if (sameTable(table, parent.name)) return partitions.flatMap((one) => [one.name, ...(one.partitions ?? [])])
  return parent.foreignKeys.find((key) => sameTable(key.table, table))?.partitions ?? []
}

/** Its triggers stay as they are on what is below it. */
function referencing({ parent }: PartitionTree, mode: LockUse['mode']): readonly LockUse[] {
  return parent.referencedBy.map(({ table }) => lockUse('referencing', table, mode))
}

function parentGuard(tree: PartitionTree): ParentGuard {
  const fallback = defaultPartition(tree)
  return {
    parentOid: tree.parent.oid,
    defaultOid: fallback?.oid ?? null,
    ...(fallback && { default: fallback.name }),
    ...(tree.parent.foreignKeyOids !== undefined && { foreignKeyOids: tree.parent.foreignKeyOids }),
  }
}

function partitionGuard(tree: PartitionTree, partition: Partition): PartitionGuard {
  return {
    parentOid: tree.parent.oid,
    oid: partition.oid,
    boundText: partition.boundText,
    defaultOid: defaultPartition(tree)?.oid ?? null,
  }
}

function estimates(table: {
  readonly rowEstimate: number | undefined
  readonly sizeBytes: number | undefined
}): {
  readonly sizeBytes?: number
  readonly rowEstimate?: number
} {
  return {
    ...(table.sizeBytes !== undefined && { sizeBytes: table.sizeBytes }),
    ...(table.rowEstimate !== undefined && { rowEstimate: table.rowEstimate }),
  }
}

function id(kind: string, table: TableName): string {
  return `${kind} ${formatTableName(table)}`
}
