/**
 * SQL for the name of a publication that sends rows as they leave DEFAULT or arrive beside it, or NULL: to a subscriber
 * they are a DELETE and an INSERT, of tables that it need not know. Everybody may read these catalogs.
 *
 * It counts whether the publication names the table, one above it, DEFAULT or one below DEFAULT, or the schema of one of
 * these, or all tables.
 */
export function publishedBy(parentOid: string, defaultOid: string): string {
  const concerned = `
            SELECT c.oid, c.relnamespace FROM pg_class c
            WHERE c.oid IN (
              WITH RECURSIVE up AS (
                SELECT ${parentOid} AS oid
                UNION ALL SELECT i.inhparent FROM up JOIN pg_inherits i ON i.inhrelid = up.oid
              ), fallback AS (
                SELECT ${defaultOid} AS oid
                UNION ALL SELECT i.inhrelid FROM fallback f JOIN pg_inherits i ON i.inhparent = f.oid)
              SELECT oid FROM up UNION ALL SELECT oid FROM fallback)`
  return `(SELECT min(b.pubname) FROM pg_publication b
        WHERE (b.pubinsert OR b.pubdelete) AND ${defaultOid} <> 0 AND (b.puballtables OR EXISTS (
          SELECT FROM (${concerned}) t
          WHERE EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = b.oid AND r.prrelid = t.oid)
             OR EXISTS (SELECT FROM pg_publication_namespace n WHERE n.pnpubid = b.oid AND n.pnnspid = t.relnamespace))))`
}
