import type { BoundEdge } from '../model/bound.ts'
import { nextForOwner, whyOwnerNotTrusted } from '../model/marker-owner.ts'
import type { ForeignKey, Partition, PartitionTree } from '../model/partition-tree.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { BuildContext } from './build-operation.ts'
import { detachOperation, dropOperation, unmarkOperation } from './build-operation.ts'
import type { Evidence } from './evidence.ts'
import type { Finding, FindingCode } from './finding.ts'
import { finding } from './finding.ts'
import { asMeasured, keptByDependents } from './leaving.ts'
import { listed } from './listed.ts'
import type { Operation, RangeText } from './operation.ts'
import type { PlacedPartition } from './placement.ts'
import type { ExpiredPartition } from './references.ts'
import { decideReferences } from './references.ts'
import type { PlanInput, Survey } from './survey.ts'

export interface RetentionDecision {
  readonly unmark: readonly Operation[]
  readonly detach: readonly Operation[]
  readonly drop: readonly Operation[]
  readonly findings: readonly Finding[]
}

/** Which attached partitions have expired and can be retired, the oldest first; only those in a period of the calendar can. */
export function expiredPartitions(survey: Survey): readonly ExpiredPartition[] {
  return survey.placed
    .flatMap((placed) =>
      placed.placement.kind === 'aligned' && isPast(placed, survey) && placed.partition.kind === 'table'
        ? [
            {
              from: placed.placement.from,
              partition: placed.partition,
              range: rangeOf(placed.partition),
            },
          ]
        : [],
    )
    .sort((a, b) => (a.from < b.from ? -1 : 1))
}

function isPast({ placement }: PlacedPartition, { retentionHorizon }: Survey): boolean {
  return placement.kind === 'aligned' && retentionHorizon !== undefined && placement.to <= retentionHorizon
}

/** What becomes of expired partitions, and of markers on those that have not expired. */
export function decideRetention(input: PlanInput, survey: Survey, evidence: Evidence): RetentionDecision {
  const { config, tree } = input
  const unmark: Operation[] = []
  const findings: Finding[] = [...reportUnmanaged(survey)]
  for (const placed of survey.placed) {
    const { partition } = placed
    if (!isPast(placed, survey)) {
      // COMMENT ON TABLE does not take a foreign table, and the tool detaches none.
      if (partition.marker && partition.kind !== 'foreign') unmark.push(unmarkOperation(input, partition))
    } else if (partition.kind !== 'table') {
      findings.push(
        finding('partition-kind-unsupported', {
          relation: partition.name,
          message: `${formatTableName(partition.name)} has expired and is a ${partition.kind} table, which this version does not retire.`,
          next: 'Detach it by hand.',
        }),
      )
    }
  }
  const expired = expiredPartitions(survey)
  const { retention, drop, detach } = config.lifecycle
  const obstacle = detach === 'concurrent' && expired.length > 0 ? obstacleTo(tree) : undefined
  if (obstacle) {
    findings.push(notConcurrently(expired, obstacle))
    return { unmark, detach: [], drop: [], findings }
  }
  const { leaving, findings: staying } = decideReferences(input, expired, evidence)
  findings.push(...staying)
  const kept = retention.kind === 'newest' ? retention.count : 0
  const context: BuildContext = { config, tree }
  const dropsAtOnce = drop.kind === 'after' && drop.graceMicros === 0n
  const dependedOn = dropsAtOnce ? findDependedOn(leaving, evidence) : []
  const dropped = dropsAtOnce
    ? leaving.filter(
        ({ partition: { name, ownerIsTrusted } }) =>
          ownerIsTrusted && !dependedOn.some(({ relation }) => relation === name),
      )
    : []
  if (dropsAtOnce) findings.push(...notDropped(leaving, tree), ...dependedOn)
  return {
    unmark,
    detach: leaving.map(({ partition, range, scans, readsAll }) =>
      detachOperation(context, {
        partition: asMeasured(partition, evidence),
        range,
        scans,
        readsAll,
        reason: {
          code: 'retention-expired',
          text: `${kept} ${kept === 1 ? 'partition is' : 'partitions are'} kept, the current one included, and this one is older`,
        },
      }),
    ),
    drop: dropped.map(({ partition, range }) =>
      dropOperation(context, {
        table: asMeasured(partition, evidence),
        foreignKeys: foreignKeysOf(partition, tree, evidence),
        comment: null,
        marker: 'orphan',
        range,
        reason: { code: 'follows-detach', text: 'detached by this plan, and no grace period is set' },
      }),
    ),
    findings,
  }
}

/** Once it is detached, its marker could be its owner's own. */
function notDropped(leaving: readonly ExpiredPartition[], { parent }: PartitionTree): readonly Finding[] {
  return leaving
    .filter(({ partition }) => !partition.ownerIsTrusted)
    .map(({ partition: { name, owner } }) => {
      const about = { table: name, owner, parent: parent.name, parentOwner: parent.owner }
      return finding('marker-not-trusted', {
        relation: name,
        message: `${whyOwnerNotTrusted(about)}, so it is detached and not dropped.`,
        next: `${nextForOwner(about)}.`,
      })
    })
}

/** Those that it has from its parent stay on it when it is detached, and it may have some for itself. */
function foreignKeysOf(
  { oid }: Partition,
  { parent }: PartitionTree,
  { ownForeignKeys }: Evidence,
): readonly ForeignKey[] {
  const own = ownForeignKeys?.get(oid) ?? []
  const isNew = ({ table }: ForeignKey): boolean =>
    !parent.foreignKeys.some((key) => sameTable(key.table, table))
  return [...parent.foreignKeys, ...own.filter(isNew)]
}

/** What depends on a partition goes on with it when it is detached; only the drop would fail. */
function findDependedOn(leaving: readonly ExpiredPartition[], evidence: Evidence): readonly Finding[] {
  return leaving.flatMap(({ partition }) => {
    const obstacle = partition.ownerIsTrusted
      ? keptByDependents(partition, evidence, 'has expired and is detached')
      : undefined
    return obstacle ? [finding('orphan-depended-on', { relation: partition.name, ...obstacle })] : []
  })
}

interface Obstacle {
  readonly why: string
  readonly instead: string
}

/**
 * Why a concurrent detach would not be one. With foreign keys the server locks the tables at their other ends, waits for
 * that without a limit, and their writers wait with it.
 */
function obstacleTo(tree: PartitionTree): Obstacle | undefined {
  const fallback = defaultPartition(tree)
  if (fallback) {
    return {
      why: `PostgreSQL detaches nothing concurrently beside the DEFAULT partition ${formatTableName(fallback.name)}`,
      instead: 'remove the DEFAULT partition once it is empty',
    }
  }
  const { foreignKeys, referencedBy } = tree.parent
  const neighbours = new Set([...foreignKeys, ...referencedBy].map(({ table }) => formatTableName(table)))
  if (neighbours.size > 0) {
    return {
      why: `because of the foreign keys PostgreSQL would lock ${listed([...neighbours])} too, after a wait without a limit in which their writers wait with it`,
      instead:
        referencedBy.length === 0
          ? 'remove the foreign keys'
          : 'remove the foreign keys once no row refers to what expired: without them nothing keeps it from being detached',
    }
  }
  if (tree.server.pooled !== true) return undefined
  return {
    why: 'through a pooler the timeouts that would leave a concurrent detach half-done cannot be turned off for it',
    instead: 'connect to the server itself',
  }
}

/** `concurrent` is a promise that readers and writers go on; it is not broken quietly. */
function notConcurrently(expired: readonly ExpiredPartition[], { why, instead }: Obstacle): Finding {
  const [first] = expired
  const names = listed(expired.map(({ partition }) => formatTableName(partition.name)))
  return finding('concurrent-detach-impossible', {
    ...(expired.length === 1 && first && { relation: first.partition.name }),
    message: `${names} expired and cannot be detached: detachMode is 'concurrent', and ${why}.`,
    next: `Set detachMode to 'auto' to have it done under a short ACCESS EXCLUSIVE lock, or ${instead}.`,
  })
}

function rangeOf({ bound }: Partition): RangeText {
  return bound?.kind === 'range'
    ? { from: edgeText(bound.from[0]), to: edgeText(bound.to[0]) }
    : { from: '', to: '' }
}

function edgeText(edge: BoundEdge | undefined): string {
  return edge?.kind === 'value' ? edge.text : ''
}

interface Unmanaged {
  readonly kind: PlacedPartition['placement']['kind']
  readonly code: FindingCode
  readonly one: string
  readonly many: string
}

const unmanaged: readonly Unmanaged[] = [
  {
    kind: 'off-calendar',
    code: 'off-calendar-partition',
    one: 'does not lie inside one period of the calendar, so it is never retired',
    many: 'do not lie inside one period of the calendar each, so they are never retired',
  },
  {
    kind: 'open-ended',
    code: 'open-ended-partition',
    one: 'is open to MINVALUE, MAXVALUE or infinity, so it is never retired',
    many: 'are open to MINVALUE, MAXVALUE or infinity, so they are never retired',
  },
  {
    kind: 'unreadable',
    code: 'bound-unreadable',
    one: 'has a bound that cannot be read, so it is never retired',
    many: 'have bounds that cannot be read, so they are never retired',
  },
]

/** One finding per kind, not one per partition: a change of calendar makes thousands of them at once. */
function reportUnmanaged({ placed }: Survey): readonly Finding[] {
  return unmanaged.flatMap(({ kind, code, one, many }) => {
    const found = placed.filter(({ placement }) => placement.kind === kind)
    const [first] = found
    if (!first) return []
    const names = listed(
      found.map(({ partition }) => `${formatTableName(partition.name)} (${partition.boundText})`),
    )
    return [
      finding(code, {
        ...(found.length === 1 && { relation: first.partition.name }),
        message: `${names} ${found.length === 1 ? one : many}.`,
        next: 'Nothing, if that is meant; detach by hand what should go.',
      }),
    ]
  })
}
