import { partitionsBelow } from './catalog.ts'

/*
 * Questions about tables that are to be detached or dropped: how large they are, and what would keep DROP TABLE from
 * working without CASCADE, and what it would lock besides. Asked with `pinSettings`; everything comes back as text.
 */

/**
 * What depends on tables from outside: a view, a rule, a function with a body in SQL, a foreign key of another table, an
 * heir, a default or the type of another table's column; and what depends on a part of a table, such as a sequence that it
 * owns or its row type. The parts themselves go with it, and so do the keys that a partition has from its parent.
 *
 * `oids` is SQL for an array of them. OFFSET has `pg_depend` looked up by its index, which is all of it for a fleet.
 */
export function dependentsOf(oids: string): string {
  return `
WITH RECURSIVE part AS (
  SELECT w.oid AS top, 'pg_class'::regclass::oid AS class, w.oid AS object FROM unnest(${oids}) AS w(oid)
  UNION
  SELECT p.top, d.classid, d.objid FROM part p CROSS JOIN LATERAL (
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.refclassid = p.class AND d.refobjid = p.object AND d.deptype IN ('a', 'i') OFFSET 0) d
)
SELECT DISTINCT p.top::text AS oid,
       CASE WHEN v.ev_class IS NULL THEN pg_describe_object(d.classid, d.objid, d.objsubid)
            ELSE pg_describe_object('pg_class'::regclass, v.ev_class, 0) END AS dependent
FROM part p CROSS JOIN LATERAL (
  SELECT d.classid, d.objid, d.objsubid FROM pg_depend d
  WHERE d.refclassid = p.class AND d.refobjid = p.object AND d.deptype = 'n' OFFSET 0) d
LEFT JOIN pg_rewrite v ON d.classid = 'pg_rewrite'::regclass AND v.oid = d.objid AND v.rulename = '_RETURN'
WHERE (p.top, d.classid, d.objid) NOT IN (SELECT top, class, object FROM part)
  AND NOT EXISTS (SELECT FROM pg_constraint k
                  WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid AND k.conparentid <> 0)
ORDER BY 1, 2`
}

/** $1 OIDs of tables. */
export const readDependents: string = dependentsOf('$1::oid[]')

/**
 * $1 OIDs of partitions. The foreign keys that each has for itself and not from its parent: they stay on it when it is
 * detached, and to drop it locks what they refer to.
 */
export const readOwnForeignKeys: string = `
SELECT k.conrelid::text AS oid,
       json_agg(json_build_object('name', k.conname, 'schema', n.nspname, 'table', c.relname, 'partitions', ${partitionsBelow})
                ORDER BY n.nspname, c.relname, k.conname)::text AS foreign_keys
FROM pg_constraint k JOIN pg_class p ON p.oid = k.conrelid JOIN pg_class c ON c.oid = k.confrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.conrelid = ANY($1::oid[]) AND k.contype = 'f' AND k.conparentid = 0 AND k.confrelid <> k.conrelid
GROUP BY k.conrelid`

/**
 * $1 OIDs of tables. The size of each with its indexes and TOAST, and its rows as PostgreSQL's own planner estimates them:
 * as dense as at the last statistics, on the pages that there are now.
 *
 * To be measured, a table and its indexes are opened under ACCESS SHARE, one at a time and for a moment. What somebody has
 * locked ACCESS EXCLUSIVE, or waits to, is left out instead of being waited for.
 */
export const readSizes: string = `
WITH taken AS MATERIALIZED (
  SELECT l.relation FROM pg_locks l
  WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
), free AS MATERIALIZED (
  SELECT c.oid, c.reltuples, c.relpages FROM unnest($1::oid[]) AS w(oid) JOIN pg_class c ON c.oid = w.oid
  WHERE c.relkind = 'r' AND NOT EXISTS (
    SELECT FROM taken t
    WHERE t.relation IN (c.oid, c.reltoastrelid)
       OR t.relation IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid IN (c.oid, c.reltoastrelid)))
), measured AS MATERIALIZED (
  SELECT f.*, pg_total_relation_size(f.oid) AS bytes,
         pg_relation_size(f.oid) / current_setting('block_size')::bigint AS pages
  FROM free f
)
SELECT m.oid::text, m.bytes::text,
       CASE WHEN m.pages = 0 THEN 0
            WHEN m.reltuples >= 0 AND m.relpages > 0
            THEN round(m.reltuples::numeric * m.pages / m.relpages) END::text AS rows
FROM measured m`
