/** A table whose DEFAULT is too large to be read under a lock, for those who let nobody wait longer than a millisecond. */

import type { Partsmith } from '../../src/index.ts'
import { createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from './database.ts'

/** About 3 MiB, for which a reader would wait 3 ms. */
export const filled = `CREATE TABLE events (id int, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);
  CREATE TABLE events__2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00+00') TO ('2026-04-01 00:00+00');
  CREATE TABLE rest PARTITION OF events DEFAULT;
  CREATE INDEX ON events (at);
  INSERT INTO events SELECT i, '2020-01-01', repeat('x', 100) FROM generate_series(1, 22000) i;`

/** Readers and writers may wait 1 ms, so that a small table is large already. */
export function tight(database: TestDatabase): Partsmith {
  return createPartsmith({ pool: database.pool, lockTimeoutMs: 1 })
}

/** How many CHECKs exclude a range from DEFAULT. */
export async function exclusions(database: TestDatabase): Promise<number> {
  return (await database.sql(`SELECT FROM pg_constraint WHERE conname = 'pg_partsmith_excluded'`)).length
}
