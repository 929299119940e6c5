/**
 * Every catalog query. All of them return text, so that no driver's type parser can change a value, and run in one
 * read-only REPEATABLE READ transaction whose settings `pinSettings` has fixed.
 *
 * None of them takes a lock on a user's table: `pg_get_expr(.., 0)` gives the same text as with the table's OID and
 * does not open the table, and `pg_inherits` is read directly, because `pg_partition_tree` locks every partition and
 * leaves out those whose detach is pending.
 */

import type { ParentTable } from '../model/partition-tree.ts'
import { exclusionName } from '../plan/readmission.ts'
import { actsAs } from './acts-as-owner.ts'
import { changedWhilePending } from './changed-while-pending.ts'
import { noticeLostClient } from './client-check.ts'
import { foreignKeyOids, foreignKeyOidsNow } from './foreign-key-oids.ts'
import { publishedBy } from './published.ts'
import type { Sql } from './sql.ts'
import { literal, sql, trustedSql } from './sql.ts'

const pins = `
       pg_catalog.set_config('TimeZone', 'UTC', true),
       pg_catalog.set_config('DateStyle', 'ISO, YMD', true),
       pg_catalog.set_config('IntervalStyle', 'postgres', true),
       pg_catalog.set_config('extra_float_digits', '3', true),
       pg_catalog.set_config('bytea_output', 'hex', true),
       pg_catalog.set_config('standard_conforming_strings', 'on', true),
       pg_catalog.set_config('jit', 'off', true),
       pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)`

/**
 * Fixes what the text of a bound depends on, and keeps the server from compiling a query that takes milliseconds: it
 * thinks those of a large catalog far more costly than they are. `pg_temp` stands last, so that a temporary table named like a catalog
 * cannot come before it.
 */
export const pinSettings: string = `SELECT ${pins}`

/** `pinSettings` for a transaction that lasts as long as others are at work, without what would end it for that. */
export const watchSettings: string = `${pinSettings},
       pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true),
       CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
            THEN pg_catalog.set_config('transaction_timeout', '0', true) END,
       ${noticeLostClient}`

/**
 * How soon anybody looks for a deadlock who uses the database, as far as it is written down: the session itself, and the
 * roles and databases that have a setting of their own. Backslashes mean something else in some sessions. Where this role has one, what the server has for the others
 * cannot be seen, and is taken for no more than the default.
 */
const shortestDeadlockTimeout = `(
         SELECT least(s.setting::pg_catalog.float8,
                      CASE WHEN s.source OPERATOR(pg_catalog.=) ANY ('{user,database user,client,override,interactive,test,session}'::pg_catalog.text[])
                           THEN s.boot_val::pg_catalog.float8 END,
                      (SELECT pg_catalog.min(f.parts[1]::pg_catalog.float8 OPERATOR(pg_catalog.*)
                                CASE f.parts[2] WHEN 'us' THEN 0.001 WHEN 's' THEN 1000 WHEN 'min' THEN 60000
                                                WHEN 'h' THEN 3600000 WHEN 'd' THEN 86400000 ELSE 1 END::pg_catalog.float8)
                       FROM pg_catalog.pg_db_role_setting r
                       CROSS JOIN LATERAL pg_catalog.unnest(r.setconfig) AS c(entry)
                       CROSS JOIN LATERAL pg_catalog.regexp_match(c.entry, '^deadlock_timeout=[[:space:]]*([0-9]+(?:[.][0-9]+)?)[[:space:]]*(us|ms|s|min|h|d)?[[:space:]]*$') AS f(parts)
                       WHERE r.setdatabase OPERATOR(pg_catalog.=) 0::pg_catalog.oid
                          OR r.setdatabase OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d
                                WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())))::pg_catalog.text
         FROM pg_catalog.pg_settings s WHERE s.name OPERATOR(pg_catalog.=) 'deadlock_timeout')`

/**
 * `pinSettings`, and what the server says of itself: one round trip less for every read. The session's `search_path` still
 * holds while this runs, so every name has its schema.
 */
export const pinAndReadServer: string = `
SELECT ${pins},
       pg_catalog.current_setting('server_version_num') AS version,
       extract(epoch FROM pg_catalog.clock_timestamp())::pg_catalog.text AS now,
       pg_catalog.pg_is_in_recovery()::pg_catalog.text AS in_recovery,
       pg_catalog.current_setting('default_transaction_read_only') AS read_only_by_default,
       current_user::pg_catalog.text AS role,
       extract(epoch FROM pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval)::pg_catalog.text AS deadlock_timeout,
       ${shortestDeadlockTimeout} AS shortest_deadlock_timeout_ms,
       (SELECT s.system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system() s) AS system,
       (SELECT d.oid::pg_catalog.text FROM pg_catalog.pg_database d
        WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()) AS database`

/**
 * The tables below the one at the other end of a foreign key, all levels. Each level is looked up by index: OFFSET keeps
 * the server from reading all of `pg_inherits` for each key. A table that refers to itself has its partitions read anyway.
 *
 * `c` is the row of that table in `pg_class`, and `p` has the OID of the one at hand.
 */
export const partitionsBelow = `CASE WHEN c.relkind = 'p' AND c.oid <> p.oid THEN (
          WITH RECURSIVE below AS (
            SELECT c.oid, c.relkind, c.relnamespace, c.relname
            UNION ALL
            SELECT b.* FROM below CROSS JOIN LATERAL (
              SELECT b.oid, b.relkind, b.relnamespace, b.relname FROM pg_inherits i JOIN pg_class b ON b.oid = i.inhrelid
              WHERE i.inhparent = below.oid OFFSET 0) b
            WHERE below.relkind = 'p')
          SELECT json_agg(json_build_object('schema', bn.nspname, 'name', below.relname) ORDER BY bn.nspname, below.relname)
          FROM below JOIN pg_namespace bn ON bn.oid = below.relnamespace WHERE below.oid <> c.oid) END`

/**
 * $1 schemas, $2 names, pairwise. One row per wanted table, also for those that do not exist. Superusers and members
 * that inherit have a right as its holder has; LOCK TABLE on DEFAULT and the move out of it need SELECT and DELETE.
 *
 * Everything is looked up by an index, table by table: `LIMIT 1` keeps PostgreSQL from reading all of `pg_class` for a
 * fleet, and the foreign keys that refer to a table are found through what they depend on, because `pg_constraint` has
 * no index on `confrelid`. Before version 18, which has keys that are not enforced, a table without a trigger has none.
 * Columns of keys come as numbers, as the catalog has them.
 *
 * A foreign key has a row for each partition at either end, below that of the whole; only that one counts, and where the
 * table is a partition itself, the one that came from its own parent.
 */
export const readParents: string = `
WITH parent AS (
  SELECT w.ord, w.schema, w.name, c.namespace, c.oid, c.relowner, c.relhastriggers, c.relam, c.reltablespace, pt.partstrat, pt.partattrs::int2[] AS partattrs, pt.partdefid
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)
  LEFT JOIN LATERAL (
    SELECT c.oid, c.relowner, c.relhastriggers, c.relam, c.reltablespace, n.oid AS namespace
    FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
    WHERE n.nspname = w.schema AND c.relname = w.name LIMIT 1) c ON true
  LEFT JOIN pg_partitioned_table pt ON pt.partrelid = c.oid
)
SELECT p.schema, p.name, p.oid::text, p.partstrat::text AS method,
       pg_get_userbyid(p.relowner)::text AS owner, pg_has_role(p.relowner, 'USAGE')::text AS owned,
       (has_schema_privilege(p.namespace, 'USAGE') AND has_schema_privilege(p.namespace, 'CREATE')
        AND (has_schema_privilege(p.relowner, p.namespace, 'CREATE') OR current_setting('is_superuser') = 'on'))::text AS creates,
       (p.partdefid = 0 OR (has_table_privilege(p.partdefid, 'SELECT')
                            AND has_table_privilege(p.partdefid, 'DELETE')))::text AS empties_default,
       (SELECT a.amname FROM pg_am a WHERE a.oid = p.relam)::text AS access_method,
       (SELECT t.spcname FROM pg_tablespace t WHERE t.oid = p.reltablespace)::text AS tablespace,
       (SELECT json_agg(t.spcname ORDER BY t.spcname) FROM pg_tablespace t
        WHERE (t.oid = p.reltablespace OR t.oid = ANY (x.tablespaces)) AND NOT has_tablespace_privilege(t.oid, 'CREATE')
          AND t.oid <> (SELECT d.dattablespace FROM pg_database d WHERE d.datname = current_database()))::text AS denied_tablespaces,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = p.partdefid AND k.contype = 'c'
               AND k.conname = '${exclusionName}')::text AS default_excludes,
       ${publishedBy('p.oid', 'p.partdefid')}::text AS published_by,
       ${foreignKeyOids('p')} AS foreign_key_oids,
       array_to_json(p.partattrs)::text AS key,
       (SELECT json_object_agg(a.attnum, format_type(a.atttypid, NULL))
        FROM pg_attribute a WHERE a.attrelid = p.oid AND a.attnum = ANY (p.partattrs))::text AS key_types,
       CASE WHEN 0 = ANY (p.partattrs) THEN pg_get_partkeydef(p.oid) END AS key_expression,
       (SELECT json_object_agg(a.attnum, a.attname)
        FROM pg_attribute a WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped)::text AS columns,
       x.unique_keys::text, coalesce(x.excludes, false)::text AS excludes,
       (SELECT json_agg(json_build_object('name', k.conname, 'schema', n.nspname, 'table', c.relname, 'partitions', ${partitionsBelow})
                        ORDER BY n.nspname, c.relname, k.conname)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE (p.relhastriggers OR p.partdefid <> 0 OR current_setting('server_version_num')::int >= 180000)
          AND k.contype = 'f' AND k.confrelid IN (p.oid, p.partdefid)
          AND k.oid IN (SELECT d.objid FROM pg_depend d
                        WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_class'::regclass
                          AND d.refobjid IN (p.oid, p.partdefid) AND d.refobjsubid > 0)
          AND NOT EXISTS (SELECT FROM pg_constraint up
                          WHERE up.oid = k.conparentid AND up.confrelid IN (k.confrelid, p.oid)))::text AS referenced_by,
       (SELECT json_agg(json_build_object('name', k.conname, 'schema', n.nspname, 'table', c.relname, 'partitions', ${partitionsBelow})
                        ORDER BY n.nspname, c.relname, k.conname)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype = 'f' AND k.conrelid = p.oid AND NOT EXISTS (
          SELECT FROM pg_constraint up WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid))::text AS foreign_keys
FROM parent p
LEFT JOIN LATERAL (
  SELECT json_agg(json_build_object('name', ic.relname, 'columns', (i.indkey::int2[])[0:i.indnkeyatts - 1])
                  ORDER BY ic.relname) FILTER (WHERE i.indisunique) AS unique_keys,
         bool_or(i.indisexclusion) AS excludes, array_agg(DISTINCT ic.reltablespace) AS tablespaces
  FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
  WHERE i.indrelid = p.oid) x ON true
ORDER BY p.ord`

/**
 * $1 OIDs of the parents. The direct children of each, gathered by schema and owner into one row of lists, so that a
 * fleet of thousands costs little more than their bounds. `special` lists those about which there is more to say, which
 * `readSpecialPartitions` does; mostly there is none.
 *
 * Parent by parent, so that PostgreSQL looks up what belongs to it, and neither reads all of `pg_class` nor sorts; but the
 * comments are read once, because most partitions have none.
 */
export const readPartitions: string = `
SELECT w.oid::text AS parent,
       (SELECT n.nspname FROM pg_namespace n WHERE n.oid = x.relnamespace)::text AS schema,
       pg_get_userbyid(x.relowner)::text AS owner, pg_has_role(x.relowner, 'USAGE')::text AS owned,
       (SELECT ${actsAs('x.relowner', 'p.relowner')} FROM pg_class p WHERE p.oid = w.oid)::text AS trusted,
       current_setting('block_size') AS block_size,
       x.oids::text, x.names::text, x.bounds::text, x.rows::text, x.pages::text, x.special::text
FROM unnest($1::oid[]) AS w(oid)
CROSS JOIN LATERAL (
  SELECT c.relnamespace, c.relowner, array_agg(c.oid) AS oids, array_agg(c.relname) AS names,
         array_agg(pg_get_expr(c.relpartbound, 0)) AS bounds,
         array_agg(c.reltuples) AS rows, array_agg(c.relpages) AS pages,
         array_agg(c.oid) FILTER (WHERE c.relkind <> 'r' OR i.inhdetachpending OR c.oid IN (
           SELECT d.objoid FROM pg_description d
           WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0)) AS special
  FROM pg_inherits i
  JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent = w.oid
  GROUP BY c.relnamespace, c.relowner) x`

/**
 * $1 OIDs of partitions. What only some have: a comment, a detach that is pending, partitions of their own, of which the
 * leaves are added up, and a foreign table among those.
 *
 * What is below is gathered once for all: asked for one by one, the server would read `pg_inherits` anew for each of them.
 * They are named only where operations lock them: of thousands of partitions with partitions of their own that would be
 * most of the answer.
 */
export const readSpecialPartitions: string = specialPartitionsWith('NULL::json')

/** The same, and how the parent was changed while a detach was pending, which is looked up for such a child alone. */
export const readSpecialPartitionsAndChanges: string = specialPartitionsWith(changedWhilePending)

function specialPartitionsWith(changes: string): string {
  return `
WITH RECURSIVE parted AS MATERIALIZED (
  SELECT c.oid, i.inhdetachpending
           OR EXISTS (SELECT FROM pg_partitioned_table pt WHERE pt.partrelid = i.inhparent AND pt.partdefid = c.oid)
           OR EXISTS (SELECT FROM pg_constraint k
                      WHERE k.conrelid = i.inhparent AND k.confrelid = i.inhparent AND k.contype = 'f') AS is_locked_whole
  FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhrelid = ANY($1::oid[]) AND c.relkind = 'p'
), below AS (
  SELECT p.oid AS top, b.inhrelid AS oid FROM parted p JOIN pg_inherits b ON b.inhparent = p.oid
  UNION ALL
  SELECT below.top, b.inhrelid FROM below JOIN pg_inherits b ON b.inhparent = below.oid
), sums AS (
  SELECT below.top, sum(l.relpages) FILTER (WHERE l.relkind = 'r')::bigint AS pages,
         CASE WHEN min(l.reltuples) >= 0 THEN sum(l.reltuples) ELSE -1 END AS rows,
         min(l.oid) FILTER (WHERE l.relkind = 'f') AS remote
  FROM below JOIN pg_class l ON l.oid = below.oid AND l.relkind IN ('r', 'f')
  GROUP BY below.top
), names AS (
  SELECT below.top,
         json_agg(json_build_object('schema', n.nspname, 'name', b.relname) ORDER BY n.nspname, b.relname) AS partitions
  FROM parted p JOIN below ON below.top = p.oid JOIN pg_class b ON b.oid = below.oid
  JOIN pg_namespace n ON n.oid = b.relnamespace
  WHERE p.is_locked_whole
  GROUP BY below.top
)
SELECT c.oid::text, c.relkind::text AS kind, i.inhdetachpending::text AS pending, d.description AS comment,
       s.rows::text, coalesce(s.pages, 0)::text AS pages, names.partitions::text,
       (SELECT json_agg(json_build_object('schema', fn.nspname, 'name', f.relname))
        FROM pg_class f JOIN pg_namespace fn ON fn.oid = f.relnamespace WHERE f.oid = s.remote)::text AS foreign_below,
       CASE WHEN i.inhdetachpending THEN ${changes} END::text AS changes
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
LEFT JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
LEFT JOIN sums s ON s.top = c.oid
LEFT JOIN names ON names.top = c.oid
WHERE i.inhrelid = ANY($1::oid[])`
}

/**
 * $1 and $2: how an orphan marker and a building marker begin; $3 OIDs of the parents. Tables that are attached nowhere,
 * each with the owners of parents that its own owner may act as. A temporary table is of one session, and none of ours.
 */
export const readMarked: string = `
WITH marked AS (
  SELECT c.oid, n.nspname, c.relname, c.relkind, c.relowner, c.reltuples, c.relpages, d.description
  FROM pg_description d
  JOIN pg_class c ON c.oid = d.objoid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0
    AND (starts_with(d.description, $1) OR starts_with(d.description, $2))
    AND NOT c.relispartition AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
), acting AS (
  SELECT m.relowner, array_agg(pg_get_userbyid(p.relowner)) AS owners
  FROM (SELECT DISTINCT relowner FROM marked) m
  CROSS JOIN (SELECT DISTINCT relowner FROM pg_class WHERE oid = ANY($3::oid[])) p
  WHERE ${actsAs('m.relowner', 'p.relowner')}
  GROUP BY m.relowner
), referring AS (
  SELECT k.confrelid, json_agg(json_build_object('name', k.conname, 'schema', n.nspname, 'table', c.relname)
                               ORDER BY n.nspname, c.relname, k.conname) AS keys
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND k.confrelid IN (SELECT oid FROM marked)
    AND k.oid IN (SELECT d.objid FROM marked m JOIN pg_depend d ON d.refobjid = m.oid
                  WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0)
  GROUP BY k.confrelid
)
SELECT m.oid::text, m.nspname::text AS schema, m.relname::text AS name, m.relkind::text AS kind,
       pg_get_userbyid(m.relowner)::text AS owner, pg_has_role(m.relowner, 'USAGE')::text AS owned,
       coalesce(a.owners, '{}')::text AS acts_as,
       m.description AS comment, m.reltuples::text AS rows,
       (m.relpages * current_setting('block_size')::bigint)::text AS size,
       r.keys::text AS referenced_by,
       (SELECT min(hn.nspname || '.' || h.relname) FROM pg_inherits i JOIN pg_class h ON h.oid = i.inhparent
        JOIN pg_namespace hn ON hn.oid = h.relnamespace WHERE i.inhrelid = m.oid) AS heir_of,
       (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, NULL)) ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped)::text AS columns,
       (SELECT json_agg(json_build_object('name', k.conname, 'schema', n.nspname, 'table', c.relname)
                        ORDER BY k.conname)
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE k.contype = 'f' AND k.conrelid = m.oid AND k.conrelid <> k.confrelid AND k.conparentid = 0)::text AS foreign_keys
FROM marked m LEFT JOIN referring r ON r.confrelid = m.oid LEFT JOIN acting a ON a.relowner = m.relowner
ORDER BY m.nspname, m.relname`

/**
 * $1 schemas, $2 names, pairwise. The names that a relation or a type already has. The array type that comes with
 * another type does not count: PostgreSQL renames it out of the way.
 */
export const readTakenNames = `
SELECT w.schema, w.name, coalesce(c.oid, t.oid)::text AS oid,
       CASE c.relkind
         WHEN 'r' THEN CASE WHEN c.relispartition THEN 'an attached partition' ELSE 'a table that is not attached' END
         WHEN 'p' THEN CASE WHEN c.relispartition THEN 'an attached partition' ELSE 'a partitioned table' END
         WHEN 'i' THEN 'an index' WHEN 'I' THEN 'an index' WHEN 'v' THEN 'a view'
         WHEN 'm' THEN 'a materialized view' WHEN 'S' THEN 'a sequence' WHEN 'f' THEN 'a foreign table'
         ELSE 'a type' END AS what, obj_description(c.oid, 'pg_class') AS comment
FROM unnest($1::text[], $2::text[]) AS w(schema, name)
JOIN pg_namespace n ON n.nspname = w.schema
LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
LEFT JOIN pg_type t ON t.typnamespace = n.oid AND t.typname = w.name
  AND NOT EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid)
WHERE c.oid IS NOT NULL OR t.oid IS NOT NULL`

/**
 * $1 schemas, $2 names, pairwise. Which of the ordinary tables have no page at all, and so certainly no row.
 *
 * `pg_relation_size` opens a table under ACCESS SHARE and closes it at once, so one is locked at a time.
 */
export const readWithoutPages = `
SELECT w.ord::text
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)
JOIN LATERAL (
  SELECT c.oid FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
  WHERE n.nspname = w.schema AND c.relname = w.name AND c.relkind = 'r' LIMIT 1) c ON true
WHERE pg_relation_size(c.oid) = 0`

/**
 * The partitions of a parent, DEFAULT among them, which of them are being detached, and its foreign keys; asked outside of
 * a transaction, so nothing depends on `search_path`. The bare rows, because it is asked for each table and to sort costs
 * as much again. Without a partition there is one row, with the foreign keys alone.
 */
export function readChildren({ oid, foreignKeyOids: known = '' }: ParentTable): Sql {
  return sql`
SELECT i.inhrelid::pg_catalog.text AS oid, i.inhdetachpending::pg_catalog.text AS pending,
       ${trustedSql(foreignKeyOidsNow('c', known))} AS foreign_key_oids
FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_inherits i ON i.inhparent OPERATOR(pg_catalog.=) c.oid
WHERE c.oid OPERATOR(pg_catalog.=) ${literal(oid)}::pg_catalog.oid`
}

/** The partitioned tables of the database that are no partitions themselves, for `init` and for guesses at a name. */
export const listPartitionedTables = `
SELECT n.nspname::text AS schema, c.relname::text AS name
FROM pg_partitioned_table pt
JOIN pg_class c ON c.oid = pt.partrelid AND NOT c.relispartition
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
ORDER BY 1, 2`
