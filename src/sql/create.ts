import { formatBound } from '../model/bound-text.ts'
import { encodeMarker, withoutMarker } from '../model/marker.ts'
import { formatTableName } from '../model/table-name.ts'
import type { AttachOperation, CreateOperation } from '../plan/operation.ts'
import { commentOn } from './comment-on.ts'
import type { DdlContext } from './ddl-context.ts'
import { transaction } from './ddl-context.ts'
import type { Seen } from './look-again.ts'
import {
  checkDetached,
  checkOwner,
  checkParent,
  lookAgain,
  lookAtNew,
  markerIn,
  readSeen,
  refuse,
} from './look-again.ts'
import { dropExclusion, excludedGuard, excludeSteps } from './exclude-from-default.ts'
import { checkRace, rangeBound, sameRange } from './same-range.ts'
import { refuseForeign, withForeignIn } from './foreign-in-default.ts'
import { moveFromDefault } from './move-from-default.ts'
import { removeProof } from './prove-range.ts'
import { takeFirst, takeLocks } from './take-locks.ts'
import type { Sql } from './sql.ts'
import { ident, literal, qualified, sql } from './sql.ts'
import type { Action, Guard, Refusal, Step, TransactionStep } from './statement.ts'
import { execute } from './statement.ts'

/**
 * Creating: a standalone table like the parent, then ATTACH.
 *
 * CREATE TABLE .. PARTITION OF would lock the parent ACCESS EXCLUSIVE; ATTACH takes SHARE UPDATE EXCLUSIVE. Where nobody
 * waits for that, both are one transaction. Beside a DEFAULT, or under foreign keys that refer to the parent, readers or
 * writers do wait, so the table is built in a transaction before; between the two it carries a `building` marker.
 */
export function createSteps(operation: CreateOperation, context: DdlContext): readonly Step[] {
  const { excludesFromDefault } = operation
  const fallback = operation.guard.default
  if (isMadeAtOnce(operation)) return [createStep(operation, context)]
  return [
    buildStep(operation, context),
    ...(excludesFromDefault && fallback
      ? excludeSteps({ ...operation, excludesFromDefault, fallback }, context)
      : []),
    attachStep(operation, context),
  ]
}

/** Whether the partition is built and attached in one transaction, so that nothing half-built can stay behind. */
export function isMadeAtOnce({ guard, locks }: CreateOperation): boolean {
  // A parent that refers to itself is locked with more than it takes to attach.
  const mostOfParent = locks.every(({ role, mode }) => role !== 'parent' || mode === 'SHARE UPDATE EXCLUSIVE')
  return guard.default === undefined && mostOfParent && locks.every(({ role }) => role !== 'referencing')
}

function createStep(operation: CreateOperation, context: DdlContext): TransactionStep {
  const { parent, partition, guard } = operation
  return transaction(context, `create ${formatTableName(partition)}`, [
    // Before CREATE TABLE .. LIKE, which takes a weaker lock of the parent: two who have that wait for each other.
    ...takeLocks(
      operation.locks.filter(({ role }) => role !== 'partition'),
      { context },
    ),
    execute(createTable(operation)),
    {
      kind: 'found',
      ask: lookAtNew(parent, partition, guard),
      describe: `goes on only if the parent is that of the plan and has no DEFAULT; ALTER TABLE ${formatTableName(partition)} OWNER TO <the owner of ${formatTableName(parent)}>, if that is another role`,
      oid: (row) => readSeen(row).oid ?? undefined,
      make: (row) => {
        const seen = readSeen(row)
        return checkParent(seen, { parent, ...guard }) ?? ownerOf(seen, operation)
      },
    },
    ...zoneOf(context),
    attach(operation),
  ])
}

/**
 * LIKE must leave out identity (a partition with its own sequence makes duplicate ids, and from 17 on cannot be
 * attached) and extended statistics. Indexes come with it, so that ATTACH does not build them under its locks; but an
 * exclusion constraint would come twice. IF NOT EXISTS would succeed on any table of that name.
 *
 * Where the table is stored LIKE does not take from the parent, as PARTITION OF does; for its indexes it does.
 */
function createTable({
  parent,
  partition,
  attachBuildsIndexes,
  accessMethod,
  tablespace,
}: CreateOperation): Sql {
  const without = attachBuildsIndexes ? sql` EXCLUDING INDEXES` : sql``
  const using = accessMethod === undefined ? sql`` : sql` USING ${ident(accessMethod)}`
  const place = tablespace === undefined ? sql`` : sql` TABLESPACE ${ident(tablespace)}`
  return sql`CREATE TABLE ${qualified(partition)} (LIKE ${qualified(parent)} INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS${without})${using}${place}`
}

function attach({ parent, partition, range }: CreateOperation | AttachOperation): Action {
  return execute(
    sql`ALTER TABLE ${qualified(parent)} ATTACH PARTITION ${qualified(partition)} FOR VALUES FROM (${literal(range.from)}) TO (${literal(range.to)})`,
  )
}

function buildStep(operation: CreateOperation, context: DdlContext): TransactionStep {
  const { parent, partition, guard, range } = operation
  const ask = lookAgain(parent, partition, guard)
  return transaction(context, `build ${formatTableName(partition)}`, [
    {
      kind: 'guard',
      ask,
      expect: 'the parent and its DEFAULT are those of the plan',
      check: (row) => checkParent(readSeen(row), { parent, ...guard }),
    },
    ...takeFirst(sql`LOCK TABLE ONLY ${qualified(parent)} IN ACCESS SHARE MODE`),
    execute(createTable(operation)),
    {
      kind: 'found',
      ask,
      describe: `ALTER TABLE ${formatTableName(partition)} OWNER TO <the owner of ${formatTableName(parent)}>, if that is another role; COMMENT ON TABLE ${formatTableName(partition)} IS '<marker: built for ${formatTableName(parent)}, not attached yet>'`,
      oid: (row) => readSeen(row).oid ?? undefined,
      make: (row) => {
        const seen = readSeen(row)
        if (seen.oid === null)
          return refuse('not-found', `${formatTableName(partition)} does not exist any more`)
        const facts = {
          oid: seen.oid,
          database: context.database,
          parentOid: guard.parentOid,
          parent,
          bound: formatBound(rangeBound(range)),
        }
        const marker = { prefix: context.markerPrefix, userComment: null }
        return [
          ...ownerOf(seen, operation),
          ...commentOn(partition, seen.oid, encodeMarker({ kind: 'building', facts }, marker)),
        ]
      },
    },
  ])
}

export function attachStep(
  operation: CreateOperation | AttachOperation,
  context: DdlContext,
): TransactionStep {
  const { parent, partition, guard } = operation
  const fallback = guard.default
  const excludes = operation.kind === 'create' && operation.excludesFromDefault !== undefined
  const ask = lookAgain(parent, partition, guard)
  const attachGuard: Guard = {
    kind: 'guard',
    ask: fallback ? withForeignIn(fallback, ask) : ask,
    expect: `the parent, its DEFAULT and the detached table are those of the plan${fallback ? ', and no foreign table is in DEFAULT' : ''}`,
    check: (row) => {
      const seen = readSeen(row)
      return (
        checkParent(seen, { parent, ...guard }) ??
        checkChild(operation, context, seen) ??
        (fallback && refuseForeign(row, { fallback, range: operation.range }))
      )
    },
  }
  return transaction(context, `attach ${formatTableName(partition)}`, [
    // The parent with the strongest lock the step needs, so that no reader can be met half-way. With a DEFAULT that is
    // ACCESS EXCLUSIVE: an insert that was routed to DEFAULT under a weaker one would fail with 23514.
    ...takeLocks(operation.locks, { context, isNew: operation.kind === 'create' }),
    attachGuard,
    ...(fallback ? [excludes ? excludedGuard(fallback) : moveFromDefault({ ...operation, fallback })] : []),
    ...zoneOf(context),
    attach(operation),
    ...(fallback && excludes ? [dropExclusion(fallback)] : []),
    ...(operation.kind === 'attach' && operation.provesRange ? [removeProof(operation)] : []),
    {
      kind: 'found',
      ask,
      describe: `COMMENT ON TABLE ${formatTableName(partition)} IS <its own comment, without the marker>`,
      oid: (row) => readSeen(row).oid ?? undefined,
      make: (row) => {
        const seen = readSeen(row)
        if (seen.oid === null || seen.attachedTo !== guard.parentOid)
          return refuse('stale', `${formatTableName(partition)} is another table now`)
        return commentOn(partition, seen.oid, withoutMarker(seen.comment, context.markerPrefix))
      },
    },
  ])
}

/** A table belongs to the role that created it, and a partition should belong to whom its parent belongs to. */
function ownerOf({ parentOwner, owner }: Seen, { partition }: CreateOperation): readonly Action[] {
  if (parentOwner === null || parentOwner === owner) return []
  return [execute(sql`ALTER TABLE ${qualified(partition)} OWNER TO ${ident(parentOwner)}`)]
}

/** A built table is known by its marker, which names its own OID; one that was detached, by OID and comment. */
function checkChild(
  operation: CreateOperation | AttachOperation,
  context: DdlContext,
  seen: Seen,
): Refusal | undefined {
  const { parent, partition, guard } = operation
  const name = formatTableName(partition)
  const attached = checkRace(seen, operation)
  if (attached) return attached
  if (operation.kind === 'attach') {
    const { oid, comment: planned } = operation.guard
    const moved = checkDetached(seen, { parent, partition, oid })
    if (moved || seen.comment === planned) return moved
    return refuse('stale', `the comment of ${name} is not the one that was planned with`)
  }
  const marker = markerIn(seen, context.markerPrefix)
  if (seen.oid === null) return refuse('not-found', `${name} does not exist any more`)
  if (
    marker?.kind === 'building' &&
    marker.facts.oid === seen.oid &&
    marker.facts.parentOid === guard.parentOid
  ) {
    if (seen.attachedTo !== null) return refuse('stale', `${name} is attached to another table`)
    return checkOwner(seen, { parent, partition })
  }
  return refuse('stale', `${name} is not the table that was built for this`)
}

/** Whether another maintainer is at work on the very same partition, whose table can be gone on with. */
export function isBeingBuilt(seen: Seen, { guard, range }: CreateOperation, markerPrefix: string): boolean {
  const marker = markerIn(seen, markerPrefix)
  return (
    seen.attachedTo === null &&
    seen.ownerIsTrusted &&
    marker?.kind === 'building' &&
    marker.facts.oid === seen.oid &&
    marker.facts.parentOid === guard.parentOid &&
    sameRange(marker.facts.bound ?? null, range)
  )
}

function zoneOf({ ddlTimezone }: DdlContext): readonly Action[] {
  if (ddlTimezone === 'UTC') return []
  return [
    execute(
      ddlTimezone === null
        ? sql`SET LOCAL TimeZone TO DEFAULT`
        : sql`SELECT pg_catalog.set_config('TimeZone', ${literal(ddlTimezone)}, true)`,
    ),
  ]
}
