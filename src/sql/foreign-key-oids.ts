/**
 * SQL for the OIDs of the foreign keys that a table has and of those that refer to it, in one text.
 *
 * A key depends on columns of the tables at both of its ends, and so is found by index. It has rows for partitions, too,
 * which come and go with them, and a detached partition keeps its own until it is dropped: those do not count.
 */
export function foreignKeyOids(parentOid: string): string {
  return `pg_catalog.array_to_string(ARRAY(
         SELECT k.oid FROM pg_catalog.pg_constraint k
         WHERE k.contype OPERATOR(pg_catalog.=) 'f' AND k.oid OPERATOR(pg_catalog.=) ANY (ARRAY(
           SELECT d.objid FROM pg_catalog.pg_depend d
           WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
             AND d.refobjid OPERATOR(pg_catalog.=) ${parentOid} AND d.refobjsubid OPERATOR(pg_catalog.>) 0
             AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass))
           AND (k.conparentid OPERATOR(pg_catalog.=) 0 OR k.conrelid OPERATOR(pg_catalog.=) ${parentOid} OR NOT EXISTS (
             SELECT FROM pg_catalog.pg_constraint up WHERE up.oid OPERATOR(pg_catalog.=) k.conparentid
               AND up.confrelid OPERATOR(pg_catalog.=) k.confrelid))
           AND (k.conrelid OPERATOR(pg_catalog.=) ${parentOid} OR NOT EXISTS (
             SELECT FROM pg_catalog.pg_description o
             WHERE o.objoid OPERATOR(pg_catalog.=) k.conrelid AND o.objsubid OPERATOR(pg_catalog.=) 0
               AND o.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
               AND pg_catalog.strpos(o.description, ':orphan-parent=') OPERATOR(pg_catalog.>) 0))
         ORDER BY k.oid), ' ')`
}
