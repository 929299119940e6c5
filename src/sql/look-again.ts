import { Instant } from '../model/instant.ts'
import type { Marker } from '../model/marker.ts'
import { decodeMarker } from '../model/marker.ts'
import { nextForOwner, whyOwnerNotTrusted } from '../model/marker-owner.ts'
import type { ParentTable } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import { actsAs } from './acts-as-owner.ts'
import type { Sql } from './sql.ts'
import { foreignKeyOidsNow } from './foreign-key-oids.ts'
import { literal, qualified, sql, toText, trustedSql } from './sql.ts'
import type { Refusal, Row } from './statement.ts'

/**
 * One question about a parent and a partition, asked again under lock right before a change.
 *
 * Names are looked up anew, so a table that was swapped for another of the same name shows another OID.
 */
export function lookAgain(parent: TableName, partition: TableName, known?: KnownKeys): Sql {
  return sql`
SELECT p.oid::text AS parent_oid, pg_get_userbyid(p.relowner)::text AS parent_owner, pt.partdefid::text AS default_oid, ${keysNow(known)}fn.nspname::text AS default_schema,
       f.relname::text AS default_name, c.oid::text AS oid,
       pg_get_userbyid(c.relowner)::text AS owner,
       ${trustedSql(actsAs('c.relowner', 'p.relowner'))}::text AS trusted,
       c.relispartition::text AS attached, i.inhparent::text AS attached_to, i.inhdetachpending::text AS pending,
       pg_get_expr(c.relpartbound, 0) AS bound, d.description AS comment,
       (SELECT min(h.inhparent::regclass::text) FROM pg_inherits h WHERE h.inhrelid = c.oid AND NOT c.relispartition) AS heir_of,
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text AS now
FROM (SELECT 1) AS one
LEFT JOIN (pg_class p JOIN pg_namespace pn ON pn.oid = p.relnamespace
             AND pn.nspname = ${literal(parent.schema)} AND p.relname = ${literal(parent.name)}) ON true
LEFT JOIN pg_partitioned_table pt ON pt.partrelid = p.oid
LEFT JOIN (pg_class f JOIN pg_namespace fn ON fn.oid = f.relnamespace) ON f.oid = pt.partdefid
LEFT JOIN (pg_class c JOIN pg_namespace cn ON cn.oid = c.relnamespace
             AND cn.nspname = ${literal(partition.schema)} AND c.relname = ${literal(partition.name)}) ON true
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0`
}

/**
 * The part of it that matters about a table that this transaction has made itself, like a parent that it has locked. With
 * as few joins as there can be, because it is asked for each new partition, and to plan them costs as much as to make it.
 */
export function lookAtNew(parent: TableName, partition: TableName, known: KnownKeys): Sql {
  const its = literal(toText(qualified(parent)))
  const made = literal(toText(qualified(partition)))
  return sql`
SELECT p.oid::text AS parent_oid, pg_get_userbyid(p.relowner)::text AS parent_owner, pt.partdefid::text AS default_oid,
       ${keysNow(known)}${made}::regclass::oid::text AS oid,
       pg_get_userbyid((SELECT c.relowner FROM pg_class c WHERE c.oid = ${made}::regclass))::text AS owner
FROM pg_class p, pg_partitioned_table pt
WHERE p.oid = ${its}::regclass AND pt.partrelid = ${its}::regclass`
}

/** The foreign keys that a plan knows of, where it matters whether there are others by now. */
export type KnownKeys = Pick<ParentTable, 'foreignKeyOids'>

function keysNow({ foreignKeyOids: known }: KnownKeys = {}): Sql {
  return known === undefined ? sql`` : sql`${trustedSql(foreignKeyOidsNow('p', known))} AS foreign_key_oids, `
}

/** The same about a partition that is known by its OID, whatever its name is now; no row when it is gone. */
export function lookByOid(oid: string): Sql {
  return sql`
SELECT c.oid::text AS oid, c.relispartition::text AS attached, i.inhparent::text AS attached_to,
       i.inhdetachpending::text AS pending, d.description AS comment
FROM pg_catalog.pg_class c
LEFT JOIN pg_catalog.pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
LEFT JOIN pg_catalog.pg_description d
  ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
WHERE c.oid = ${literal(oid)}::pg_catalog.oid`
}

/** The answer to `lookAgain`, read. */
export interface Seen {
  readonly parentOid: string | null
  readonly parentOwner: string | null
  readonly defaultOid: string | null
  /** What the DEFAULT partition is called now. */
  readonly default: TableName | null
  /** Null where it was not asked. */
  readonly foreignKeyOids: string | null
  readonly oid: string | null
  readonly owner: string | null
  /** Whether its owner may act as the parent's. */
  readonly ownerIsTrusted: boolean
  readonly attachedTo: string | null
  readonly pending: boolean
  /** A table that it inherits from without being its partition. */
  readonly heirOf: string | null
  readonly bound: string | null
  readonly comment: string | null
  readonly now: Instant
}

export function readSeen(row: Row | undefined): Seen {
  const text = (column: string): string | null => {
    const value = row?.[column]
    return typeof value === 'string' ? value : null
  }
  const defaultOid = text('default_oid')
  const [defaultSchema, defaultName] = [text('default_schema'), text('default_name')]
  return {
    parentOid: text('parent_oid'),
    parentOwner: text('parent_owner'),
    defaultOid: defaultOid === '0' ? null : defaultOid,
    default:
      defaultSchema === null || defaultName === null ? null : { schema: defaultSchema, name: defaultName },
    foreignKeyOids: text('foreign_key_oids'),
    oid: text('oid'),
    owner: text('owner'),
    ownerIsTrusted: text('trusted') === 'true',
    attachedTo: text('attached') === 'true' ? text('attached_to') : null,
    pending: text('pending') === 'true',
    heirOf: text('heir_of'),
    bound: text('bound'),
    comment: text('comment'),
    now: Instant.fromMicroseconds(BigInt(text('now') ?? '0')),
  }
}

export function markerIn(seen: Seen, prefix: string): Marker | undefined {
  return decodeMarker(seen.comment, prefix).marker
}

/** The parent must be the table that was planned for, with the same DEFAULT partition or none. */
export function checkParent(
  seen: Seen,
  expected: {
    readonly parent: TableName
    readonly parentOid: string
    readonly defaultOid?: string | null
    /** What DEFAULT is called in the statements that follow. */
    readonly default?: TableName
    readonly foreignKeyOids?: string
  },
): Refusal | undefined {
  const name = formatTableName(expected.parent)
  if (seen.parentOid === null) return refuse('not-found', `${name} does not exist any more`)
  if (seen.parentOid !== expected.parentOid)
    return refuse('stale', `${name} is another table now than when this was planned`)
  if (expected.foreignKeyOids !== undefined && seen.foreignKeyOids !== expected.foreignKeyOids)
    return refuse('stale', `${name} has other foreign keys now, or is referred to by others`)
  if (expected.defaultOid === undefined) return undefined
  if (seen.defaultOid === expected.defaultOid) {
    // Under its planned name there may be another table by now.
    if (!expected.default || (seen.default && sameTable(seen.default, expected.default))) return undefined
    return refuse('stale', `the DEFAULT partition ${formatTableName(expected.default)} has another name now`)
  }
  return refuse(
    'stale',
    seen.defaultOid === null
      ? `${name} has no DEFAULT partition any more`
      : expected.defaultOid === null
        ? `${name} has a DEFAULT partition now and had none`
        : `${name} has another DEFAULT partition now`,
  )
}

/** The partition must be the attached one that was planned for, with the same bounds. */
export function checkAttached(
  seen: Seen,
  expected: {
    readonly partition: TableName
    readonly oid: string
    readonly parentOid: string
    readonly boundText: string
    readonly pending: boolean
  },
): Refusal | undefined {
  const name = formatTableName(expected.partition)
  if (seen.oid === null) return refuse('not-found', `${name} does not exist any more`)
  if (seen.oid !== expected.oid)
    return refuse('stale', `${name} is another table now than when this was planned`)
  if (seen.attachedTo === null) return refuse('raced', `${name} is not attached any more`)
  if (seen.attachedTo !== expected.parentOid)
    return refuse('stale', `${name} is attached to another table now`)
  if (seen.bound !== expected.boundText)
    return refuse('stale', `${name} has other bounds now: ${seen.bound ?? 'none'}`)
  if (seen.pending && !expected.pending) return refuse('pending', `a detach of ${name} is already pending`)
  if (!seen.pending && expected.pending) return refuse('stale', `no detach of ${name} is pending any more`)
  return undefined
}

/** The table must be the one that was planned for, attached to nothing, and of an owner whose marker counts. */
export function checkDetached(
  seen: Seen,
  expected: { readonly parent: TableName; readonly partition: TableName; readonly oid: string },
): Refusal | undefined {
  const name = formatTableName(expected.partition)
  if (seen.oid === null) return refuse('not-found', `${name} does not exist any more`)
  if (seen.oid !== expected.oid)
    return refuse('stale', `${name} is another table now than when this was planned`)
  if (seen.attachedTo !== null) return refuse('attached', `${name} was attached again since this was planned`)
  if (seen.heirOf !== null)
    return refuse('attached', `${name} inherits from ${seen.heirOf} by now, where its rows are found`)
  return checkOwner(seen, expected)
}

/** What is attached brings its triggers with it, and what has a marker can be dropped. */
export function checkOwner(
  { owner, parentOwner, ownerIsTrusted }: Seen,
  { parent, partition }: { readonly parent: TableName; readonly partition: TableName },
): Refusal | undefined {
  if (ownerIsTrusted || owner === null || parentOwner === null) return undefined
  const about = { table: partition, owner, parent, parentOwner }
  return { ...refuse('untrusted', whyOwnerNotTrusted(about)), next: nextForOwner(about) }
}

export function refuse(code: Refusal['code'], message: string): Refusal {
  return { code, message }
}
