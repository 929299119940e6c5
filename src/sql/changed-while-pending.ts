/**
 * What the parent `i.inhparent` has and its partition `c.oid` has not, as JSON: the columns by name, type and
 * type modifier, the CHECKs by name, the NOT NULLs by column. That is what FINALIZE compares from version 18 on, and it
 * fails on a difference (42804 or XX000). What only the partition has does not matter to it.
 */
export const changedWhilePending = `
(SELECT json_agg(json_build_object('kind', m.kind, 'name', m.name, 'was', m.was, 'surplus', m.surplus) ORDER BY m.kind, m.place)
 FROM (
  SELECT CASE WHEN own.attname IS NULL THEN 'column' ELSE 'type' END AS kind, a.attnum::int AS place, a.attname AS name,
         format_type(own.atttypid, own.atttypmod) AS was,
         (SELECT json_agg(x.attname ORDER BY x.attnum) FROM pg_attribute x
          WHERE own.attname IS NULL AND x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped
            AND x.atttypid = a.atttypid AND x.atttypmod = a.atttypmod
            AND NOT EXISTS (SELECT FROM pg_attribute y
                            WHERE y.attrelid = a.attrelid AND y.attname = x.attname AND NOT y.attisdropped)) AS surplus
  FROM pg_attribute a
  LEFT JOIN pg_attribute own
    ON own.attrelid = c.oid AND own.attname = a.attname AND own.attnum > 0 AND NOT own.attisdropped
  WHERE a.attrelid = i.inhparent AND a.attnum > 0 AND NOT a.attisdropped
    AND (own.attname IS NULL OR own.atttypid <> a.atttypid OR own.atttypmod <> a.atttypmod)
  UNION ALL
  SELECT CASE k.contype WHEN 'c' THEN 'check' ELSE 'not-null' END, k.conkey[1], coalesce(a.attname, k.conname),
         (SELECT p.conname FROM pg_constraint p
          WHERE p.conrelid = k.conrelid AND p.contype = 'p' AND a.attnum = ANY (p.conkey)), NULL
  FROM pg_constraint k
  LEFT JOIN pg_attribute a ON k.contype = 'n' AND a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
  LEFT JOIN pg_attribute mine ON mine.attrelid = c.oid AND mine.attname = a.attname AND NOT mine.attisdropped
  WHERE k.conrelid = i.inhparent AND (k.contype = 'c' OR mine.attnum > 0) AND NOT EXISTS (
    SELECT FROM pg_constraint own
    WHERE own.conrelid = c.oid AND own.contype = k.contype AND own.coninhcount > 0
      AND CASE k.contype WHEN 'c' THEN own.conname = k.conname ELSE own.conkey[1] = mine.attnum END)
 ) AS m)`
