import { quoteIdentifier } from '../model/quote.ts'
import { formatTableName } from '../model/table-name.ts'
import type { AttachOperation } from '../plan/operation.ts'
import { jsonColumn, member } from './json-column.ts'
import { refuse } from './look-again.ts'
import { literal, qualified, sql, toText } from './sql.ts'
import type { Guard } from './statement.ts'

/**
 * Refuses a detached table that lacks what its parent was given while it was away and what only its owner can decide:
 * ATTACH would refuse it, or read it with the locks of the parent in hand to check a foreign key. Nothing is added to it
 * here, because a foreign key does something (ON DELETE CASCADE) also where the table is not attached in the end.
 */
export function likeParentGuard({ parent, partition, guard }: AttachOperation): Guard {
  const [own, whole] = [literal(guard.oid), literal(guard.parentOid)]
  return {
    kind: 'guard',
    ask: sql`
SELECT json_agg(json_build_object('what', u.what, 'name', u.name, 'text', u.text) ORDER BY u.rank, u.place)::text AS unlike
FROM (
  SELECT 1 AS rank, a.attnum::int AS place, CASE WHEN c.attname IS NULL THEN 'column' ELSE 'type' END AS what,
         a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS text
  FROM pg_attribute a
  LEFT JOIN pg_attribute c ON c.attrelid = ${own}::oid AND c.attname = a.attname AND c.attnum > 0 AND NOT c.attisdropped
  WHERE a.attrelid = ${whole}::oid AND a.attnum > 0 AND NOT a.attisdropped
    AND (c.attname IS NULL OR c.atttypid <> a.atttypid OR c.atttypmod <> a.atttypmod)
  UNION ALL
  SELECT 2, a.attnum::int, 'not null', a.attname::text, NULL
  FROM pg_attribute a JOIN pg_attribute c ON c.attrelid = ${own}::oid AND c.attname = a.attname AND NOT c.attisdropped
  WHERE a.attrelid = ${whole}::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT c.attnotnull
    AND NOT EXISTS (SELECT FROM pg_constraint k
                    WHERE k.conrelid = a.attrelid AND k.contype = 'p' AND a.attnum = ANY (k.conkey))
  UNION ALL
  SELECT 3, c.attnum::int, 'surplus', c.attname::text, NULL
  FROM pg_attribute c
  WHERE c.attrelid = ${own}::oid AND c.attnum > 0 AND NOT c.attisdropped
    AND NOT EXISTS (SELECT FROM pg_attribute a
                    WHERE a.attrelid = ${whole}::oid AND a.attname = c.attname AND a.attnum > 0 AND NOT a.attisdropped)
  UNION ALL
  SELECT 4, k.oid::int, 'check', k.conname::text, pg_get_constraintdef(k.oid)
  FROM pg_constraint k
  WHERE k.conrelid = ${whole}::oid AND k.contype = 'c' AND NOT k.connoinherit
    AND NOT EXISTS (SELECT FROM pg_constraint c
                    WHERE c.conrelid = ${own}::oid AND c.contype = 'c' AND c.conname = k.conname
                      AND pg_get_expr(c.conbin, c.conrelid) = pg_get_expr(k.conbin, k.conrelid))
  UNION ALL
  SELECT 5, k.oid::int, CASE WHEN c.oid IS NULL THEN 'foreign key' ELSE 'not valid' END,
         coalesce(c.conname, k.conname)::text, pg_get_constraintdef(k.oid)
  FROM pg_constraint k
  LEFT JOIN LATERAL (
    SELECT c.oid, c.conname, c.convalidated FROM pg_constraint c
    WHERE c.conrelid = ${own}::oid AND c.contype = 'f' AND c.confrelid = k.confrelid
      AND pg_get_constraintdef(c.oid) IN (pg_get_constraintdef(k.oid), pg_get_constraintdef(k.oid) || ' NOT VALID')
    ORDER BY c.convalidated DESC LIMIT 1) c ON true
  WHERE k.conrelid = ${whole}::oid AND k.contype = 'f' AND k.convalidated AND c.convalidated IS NOT TRUE
    AND NOT EXISTS (SELECT FROM pg_constraint up WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
) AS u`,
    expect: 'the detached table has the columns, checks and foreign keys that its parent has by now',
    check: (row) => {
      const alter = `ALTER TABLE ${toText(qualified(partition))}`
      const said = jsonColumn(row?.['unlike'], (one) => {
        const name = quoteIdentifier(member(one, 'name'))
        const text = member(one, 'text')
        switch (member(one, 'what')) {
          case 'column':
            return `it has no column ${name} (${alter} ADD COLUMN ${name} ${text})`
          case 'type':
            return `its column ${name} has another type (${alter} ALTER COLUMN ${name} TYPE ${text})`
          case 'not null':
            return `its column ${name} takes NULL (${alter} ALTER COLUMN ${name} SET NOT NULL)`
          case 'surplus':
            return `it has a column ${name} that the parent does not have`
          case 'check':
            return `it has no CHECK like ${name} with that name (${alter} ADD CONSTRAINT ${name} ${text})`
          case 'foreign key':
            return `it has no foreign key like ${name} (${alter} ADD ${text} NOT VALID, then VALIDATE it)`
          default:
            return `its foreign key ${name} is not valid (${alter} VALIDATE CONSTRAINT ${name})`
        }
      })
      if (said.length === 0) return undefined
      return refuse(
        'lacks',
        `${formatTableName(partition)} is not like ${formatTableName(parent)} any more: ${said.join('; ')}`,
      )
    },
  }
}
