import type { DetachedTable, ForeignKey, Partition, PartitionTree } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
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
  Reason,
  UnmarkOperation,
} from './operation.ts'

/** What every operation on one table is built from. */
export interface BuildContext {
  readonly config: TablePartitionConfig
  readonly tree: PartitionTree
}

export function createOperation(
  { config, tree }: BuildContext,
  about: { partition: TableName; range: RangeText; reason: Reason; rowsInDefault: number },
): CreateOperation {
  const { parent } = tree
  return {
    kind: 'create',
    id: id('create', about.partition),
    parent: parent.name,
    ...about,
    key: config.partitionColumn,
    maxRowsFromDefault: config.maxRowsFromDefault,
    hazards: attachHazards(tree, about.rowsInDefault),
    locks: attachLocks(tree, about.partition),
    guard: parentGuard(tree),
  }
}

export function attachOperation(
  { config, tree }: BuildContext,
  about: { table: DetachedTable; range: RangeText; reason: Reason; rowsInDefault: number },
): AttachOperation {
  const { table, ...rest } = about
  return {
    kind: 'attach',
    id: id('attach', table.name),
    parent: tree.parent.name,
    partition: table.name,
    ...rest,
    key: config.partitionColumn,
    maxRowsFromDefault: config.maxRowsFromDefault,
    // The CHECK that a concurrent detach leaves spares the scan; whether it is there is the server's to see. Beside a
    // DEFAULT that is scanned as well, which is the same hazard.
    hazards: [...new Set([...attachHazards(tree, about.rowsInDefault), 'full-scan' as const])],
    locks: attachLocks(tree, table.name),
    ...estimates(table),
    guard: { ...parentGuard(tree), oid: table.oid, comment: table.comment ?? null },
  }
}

export function finalizeOperation({ tree }: BuildContext, partition: Partition): FinalizeOperation {
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
    hazards: [],
    locks: [
      { relation: tree.parent.name, mode: 'SHARE UPDATE EXCLUSIVE' },
      { relation: partition.name, mode: 'ACCESS EXCLUSIVE' },
      ...neighbours(tree.parent.foreignKeys, 'SHARE ROW EXCLUSIVE'),
      ...neighbours(tree.parent.referencedBy, 'ACCESS EXCLUSIVE'),
    ],
    ...estimates(partition),
    guard: partitionGuard(tree, partition),
  }
}

export function detachOperation(
  { config, tree }: BuildContext,
  about: { partition: Partition; range: RangeText; reason: Reason },
): DetachOperation {
  const { partition, range, reason } = about
  const fallback = defaultPartition(tree)
  const foreign = [
    ...neighbours(tree.parent.foreignKeys, 'SHARE ROW EXCLUSIVE'),
    ...neighbours(tree.parent.referencedBy, 'ACCESS EXCLUSIVE'),
  ]
  // Decided here, so that the printed lock is the real one. With a DEFAULT PostgreSQL refuses CONCURRENTLY (55000). With
  // foreign keys it locks the tables at their other ends, waits for that without a limit, and their writers wait with it.
  const concurrent = config.lifecycle.detach !== 'blocking' && fallback === undefined && foreign.length === 0
  return {
    kind: 'detach',
    id: id('detach', partition.name),
    parent: tree.parent.name,
    partition: partition.name,
    mode: concurrent ? 'concurrent' : 'blocking',
    range,
    reason,
    hazards: concurrent ? ['hides-data', 'not-transactional'] : ['hides-data', 'access-exclusive-lock'],
    locks: concurrent
      ? [
          { relation: tree.parent.name, mode: 'SHARE UPDATE EXCLUSIVE' },
          { relation: partition.name, mode: 'ACCESS EXCLUSIVE' },
        ]
      : [
          { relation: tree.parent.name, mode: 'ACCESS EXCLUSIVE' },
          ...(fallback ? [{ relation: fallback.name, mode: 'ACCESS EXCLUSIVE' } as const] : []),
          { relation: partition.name, mode: 'ACCESS EXCLUSIVE' },
          ...foreign,
        ],
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
  return {
    kind: 'drop',
    id: id('drop', table.name),
    parent: tree.parent.name,
    partition: table.name,
    reason,
    ...(range && { range }),
    hazards: marker === 'orphan' ? ['deletes-data'] : [],
    locks: [
      { relation: table.name, mode: 'ACCESS EXCLUSIVE' },
      ...neighbours(foreignKeys, 'ACCESS EXCLUSIVE'),
    ],
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
    locks: [{ relation: partition.name, mode: 'SHARE UPDATE EXCLUSIVE' }],
    guard: { ...partitionGuard(tree, partition), comment: partition.comment ?? '' },
  }
}

function attachHazards(tree: PartitionTree, rowsInDefault: number): CreateOperation['hazards'] {
  if (!defaultPartition(tree)) return []
  return rowsInDefault > 0
    ? ['access-exclusive-lock', 'full-scan', 'rewrites-rows']
    : ['access-exclusive-lock', 'full-scan']
}

/**
 * With a DEFAULT the parent is locked ACCESS EXCLUSIVE first: under ATTACH's own lock an insert that was routed to
 * DEFAULT before would fail with 23514 instead of waiting.
 */
function attachLocks(tree: PartitionTree, partition: TableName): readonly LockUse[] {
  const fallback = defaultPartition(tree)
  return [
    { relation: tree.parent.name, mode: fallback ? 'ACCESS EXCLUSIVE' : 'SHARE UPDATE EXCLUSIVE' },
    ...(fallback ? [{ relation: fallback.name, mode: 'ACCESS EXCLUSIVE' } as const] : []),
    { relation: partition, mode: 'ACCESS EXCLUSIVE' },
    ...neighbours(tree.parent.foreignKeys, 'SHARE ROW EXCLUSIVE'),
    ...neighbours(tree.parent.referencedBy, 'SHARE ROW EXCLUSIVE'),
  ]
}

function neighbours(keys: readonly ForeignKey[], mode: LockUse['mode']): readonly LockUse[] {
  const tables = new Map(keys.map((key) => [formatTableName(key.table), key.table]))
  return [...tables.values()].map((relation) => ({ relation, mode }))
}

function parentGuard(tree: PartitionTree): ParentGuard {
  const fallback = defaultPartition(tree)
  return {
    parentOid: tree.parent.oid,
    defaultOid: fallback?.oid ?? null,
    ...(fallback && { default: fallback.name }),
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
