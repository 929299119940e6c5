import type { Grant } from '../plan/grants.ts'
import { actsAs } from './acts-as-owner.ts'
import { readable } from './readable.ts'
import type { Sql } from './sql.ts'
import { ident, join, qualified, sql } from './sql.ts'

/** The statement of a grant, for a server of this version. Whoever may grant it runs it; the tool does not. */
export function grantText(grant: Grant, { versionNum }: { readonly versionNum: number }): string {
  return `${readable(grantStatement(grant, versionNum))};`
}

function grantStatement(grant: Grant, versionNum: number): Sql {
  const to = ident(grant.to)
  switch (grant.kind) {
    case 'connect':
      return sql`GRANT CONNECT ON DATABASE ${ident(grant.database)} TO ${to}`
    case 'membership':
      // From 16 on each membership says whether it is inherited; before, the role does.
      return versionNum >= 160000
        ? sql`GRANT ${ident(grant.of)} TO ${to} WITH INHERIT TRUE, SET TRUE`
        : sql`GRANT ${ident(grant.of)} TO ${to}`
    case 'inherit':
      return sql`ALTER ROLE ${to} INHERIT`
    case 'ownership':
      return sql`ALTER TABLE ${qualified(grant.table)} OWNER TO ${to}`
    case 'schema': {
      const privileges = grant.privileges.map((privilege) =>
        privilege === 'USAGE' ? sql`USAGE` : sql`CREATE`,
      )
      return sql`GRANT ${join(privileges, sql`, `)} ON SCHEMA ${ident(grant.schema)} TO ${to}`
    }
    case 'tablespace':
      return sql`GRANT CREATE ON TABLESPACE ${ident(grant.tablespace)} TO ${to}`
    case 'empty':
      return sql`GRANT SELECT, DELETE ON TABLE ${qualified(grant.table)} TO ${to}`
    case 'select':
      return sql`GRANT SELECT ON TABLE ${qualified(grant.table)} TO ${to}`
    case 'parameter':
      return sql`GRANT SET ON PARAMETER deadlock_timeout TO ${to}`
  }
}

/**
 * $1 schemas, $2 names, pairwise; $3 the role, or null for the one that asks; $4 how an orphan's comment begins.
 *
 * One row per wanted table. A detached table whose owner may not act as the parent's is none of ours: nobody is to get
 * the rights of whoever wrote its comment. Without a table, or without the role, the columns of it are null.
 */
export const readRights: string = `
WITH role AS (
  SELECT r.oid, r.rolname, r.rolsuper, r.rolinherit FROM pg_roles r WHERE r.rolname = coalesce($3, current_user)
), parent AS (
  SELECT w.ord, w.schema, w.name, c.oid, c.relowner, c.reltablespace, n.oid AS namespace, pt.partdefid
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, ord)
  LEFT JOIN pg_namespace n ON n.nspname = w.schema
  LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
  LEFT JOIN pg_partitioned_table pt ON pt.partrelid = c.oid
), owned AS (
  SELECT p.oid AS parent, p.oid, 'parent' AS what FROM parent p WHERE p.oid IS NOT NULL
  UNION ALL
  SELECT p.oid, i.inhrelid, CASE WHEN i.inhrelid = p.partdefid THEN 'default' ELSE 'partition' END
  FROM parent p JOIN pg_inherits i ON i.inhparent = p.oid
  UNION ALL
  SELECT p.oid, d.objoid, 'detached'
  FROM parent p JOIN pg_description d ON split_part(d.description, E'\\n', 1) = $4 || p.schema || '.' || p.name
  JOIN pg_class c ON c.oid = d.objoid AND NOT c.relispartition AND c.relpersistence <> 't'
    AND ${actsAs('c.relowner', 'p.relowner')}
  WHERE d.classoid = 'pg_class'::regclass AND d.objsubid = 0
), by_owner AS (
  SELECT o.parent, c.relowner, bool_or(o.what = 'parent') AS is_first,
         json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'is', o.what)
                  ORDER BY o.what <> 'parent', o.what <> 'default', n.nspname, c.relname) AS tables
  FROM owned o JOIN pg_class c ON c.oid = o.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  GROUP BY o.parent, c.relowner
)
SELECT p.schema, p.name, p.oid::text, current_setting('server_version_num') AS version,
       current_database()::text AS database, r.rolname::text AS role, r.rolsuper::text AS superuser,
       (r.rolinherit OR current_setting('server_version_num')::int >= 160000)::text AS inherits,
       has_database_privilege(r.oid, current_database(), 'CONNECT')::text AS connects,
       has_parameter_privilege(r.oid, 'deadlock_timeout', 'SET')::text AS sets_deadlock_timeout,
       pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE')::text AS sees_all,
       (has_schema_privilege(p.relowner, p.namespace, 'USAGE')
        OR has_schema_privilege(r.oid, p.namespace, 'USAGE'))::text AS schema_used,
       (SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'owner', pg_get_userbyid(c.relowner),
                 'role', has_table_privilege(r.oid, c.oid, 'SELECT') AND has_table_privilege(r.oid, c.oid, 'DELETE'),
                 'owners', has_table_privilege(c.relowner, c.oid, 'SELECT') AND has_table_privilege(c.relowner, c.oid, 'DELETE')))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = p.partdefid)::text AS fallback,
       has_schema_privilege(p.relowner, p.namespace, 'CREATE')::text AS owner_creates,
       (SELECT json_agg(t.spcname ORDER BY t.spcname) FROM pg_tablespace t
        WHERE (t.oid = p.reltablespace
               OR t.oid IN (SELECT ic.reltablespace FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = p.oid))
          AND t.oid <> (SELECT d.dattablespace FROM pg_database d WHERE d.datname = current_database())
          AND NOT has_tablespace_privilege(r.oid, t.oid, 'CREATE')
          AND NOT (has_tablespace_privilege(p.relowner, t.oid, 'CREATE')
                   AND NOT (SELECT o.rolsuper FROM pg_roles o WHERE o.oid = p.relowner)))::text AS tablespaces,
       (SELECT json_agg(json_build_object(
                 'name', a.rolname, 'superuser', a.rolsuper, 'tables', b.tables,
                 'inherited', pg_has_role(r.oid, b.relowner, 'USAGE'),
                 'becomes', pg_has_role(r.oid, b.relowner,
                   CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END))
                 ORDER BY NOT b.is_first, a.rolname)
        FROM by_owner b JOIN pg_roles a ON a.oid = b.relowner WHERE b.parent = p.oid)::text AS owners,
       (SELECT json_agg(json_build_object(
                 'schema', n.nspname, 'name', c.relname,
                 'uses', has_schema_privilege(r.oid, n.oid, 'USAGE') OR has_schema_privilege(p.relowner, n.oid, 'USAGE'),
                 'reads', has_table_privilege(r.oid, c.oid, 'SELECT') OR has_table_privilege(p.relowner, c.oid, 'SELECT'))
                 ORDER BY n.nspname, c.relname)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid <> p.oid AND c.oid IN (SELECT k.conrelid FROM pg_constraint k
                                           WHERE k.contype = 'f' AND k.confrelid = p.oid AND k.conparentid = 0))::text AS referrers
FROM parent p LEFT JOIN role r ON true
ORDER BY p.ord`
