/** What stands for the OIDs where the table has no trigger at all, and so no foreign key. */
const none = 'none'

/**
 * SQL for the OIDs of the foreign keys that a table has and of those that refer to it, in one text; `table` is its row of
 * `pg_class`.
 *
 * Each has triggers on the tables at both of its ends. A detached partition has a key of its own until it is dropped,
 * which does not count. One that is not enforced, as version 18 knows it, has no trigger and is not seen.
 */
export function foreignKeyOids(table: string): string {
  return `CASE WHEN ${table}.relhastriggers THEN pg_catalog.array_to_string(ARRAY(
         SELECT DISTINCT t.tgconstraint FROM pg_catalog.pg_trigger t
         WHERE t.tgrelid OPERATOR(pg_catalog.=) ${table}.oid AND t.tgconstraint OPERATOR(pg_catalog.>) 0 AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_description o
           WHERE o.objoid OPERATOR(pg_catalog.=) t.tgconstrrelid AND o.objsubid OPERATOR(pg_catalog.=) 0
             AND o.classoid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
             AND pg_catalog.strpos(o.description, ':orphan-parent=') OPERATOR(pg_catalog.>) 0)
         ORDER BY 1), ' ') ELSE '${none}' END`
}

/**
 * The same, to be compared with what is known. It is asked for every table of a fleet and every new partition, and mostly
 * there is none: then whether there is a trigger by now is all that is asked.
 */
export function foreignKeyOidsNow(table: string, known: string): string {
  return known === none
    ? `CASE WHEN ${table}.relhastriggers THEN 'some' ELSE '${none}' END`
    : foreignKeyOids(table)
}
