import { expect, it } from 'vitest'
import type { Pool } from 'pg'
import { createPartsmith } from '../../src/index.ts'
import { converges } from '../support/converges.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { attachedMarch, attachedMonth, march, month, monthly, now } from '../support/events-table.ts'
import { ownPool } from '../support/own-pool.ts'

/** Everything that the tool does, once, over a pool whose sessions are not as sessions usually are. */
async function lives(database: TestDatabase, pool: Pool): Promise<void> {
  await converges(database, {
    given: `CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1), (2);
      CREATE TABLE events (id bigint NOT NULL REFERENCES users, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
      ${march} ${month('2026-02')} COMMENT ON TABLE events__2026_02 IS 'back\\slash and ''quote''';
      CREATE TABLE rest PARTITION OF events DEFAULT;
      INSERT INTO events VALUES (1, '2026-04-01 00:00:00+00'), (2, '2026-04-30 23:59:59.999999+00'), (1, '2026-05-01 00:00:00+00');`,
    config: { ...monthly, createAheadCount: 2, retentionCount: 1, dropAfter: '7 days' },
    now,
    operations: ['create public.events__2026_04', 'detach public.events__2026_02'],
    attached: [attachedMarch, attachedMonth('2026-04'), 'rest DEFAULT'],
    pool,
  })
  await converges(database, {
    config: { ...monthly, retentionCount: 2 },
    now,
    operations: ['attach public.events__2026_02'],
    pool,
  })
  await converges(database, {
    given: 'DROP TABLE rest',
    config: { ...monthly, retentionCount: 1 },
    now,
    operations: ['detach public.events__2026_02', 'drop public.events__2026_02'],
    attached: [attachedMarch, attachedMonth('2026-04')],
    pool,
  })
}

const settings: readonly (readonly [what: string, options: string])[] = [
  [
    'in another zone, with another date style',
    '-c TimeZone=Asia/Kolkata -c DateStyle=German,DMY -c IntervalStyle=iso_8601',
  ],
  [
    'in a zone far ahead, with the style of Postgres',
    '-c TimeZone=Pacific/Kiritimati -c DateStyle=Postgres,MDY',
  ],
  ['with strings that know backslashes', '-c standard_conforming_strings=off -c escape_string_warning=off'],
  ['at SERIALIZABLE', '-c default_transaction_isolation=serializable'],
  [
    'at REPEATABLE READ, deferrable',
    '-c default_transaction_isolation=repeatable\\ read -c default_transaction_deferrable=on',
  ],
  ['with a search path that leads nowhere', '-c search_path='],
  ['with every identifier quoted', '-c quote_all_identifiers=on'],
  [
    'with the output of another age',
    '-c bytea_output=escape -c extra_float_digits=-15 -c array_nulls=off -c transform_null_equals=on',
  ],
  ['with row security off and a short lock_timeout', '-c row_security=off -c lock_timeout=50'],
  ['as a replica', '-c session_replication_role=replica'],
  [
    'with cursors, plans and notices of its own',
    '-c plan_cache_mode=force_generic_plan -c client_min_messages=debug1 -c enable_seqscan=off',
  ],
]

/** Objects that come before those of the system where `public` does. Each would lie, or fail. */
const shadows = `
CREATE TABLE public.pg_class (x int); CREATE TABLE public.pg_inherits (x int); CREATE TABLE public.pg_namespace (x int);
CREATE TABLE public.pg_description (x int); CREATE TABLE public.pg_constraint (x int); CREATE TABLE public.pg_attribute (x int);
CREATE VIEW public.pg_partitioned_table AS SELECT 1 AS x; CREATE VIEW public.pg_trigger AS SELECT 1 AS x;
CREATE VIEW public.pg_settings AS SELECT 'deadlock_timeout'::text AS name, '1'::text AS setting;
CREATE FUNCTION public.pg_get_expr(pg_node_tree, oid) RETURNS text LANGUAGE sql AS $$ SELECT 'FOR VALUES FROM (MINVALUE) TO (MAXVALUE)'::text $$;
CREATE FUNCTION public.format_type(oid, int) RETURNS text LANGUAGE sql AS $$ SELECT 'integer'::text $$;
CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'no'::text $$;
CREATE FUNCTION public.current_setting(text) RETURNS text LANGUAGE sql AS $$ SELECT '140000'::text $$;
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2099-01-01'::timestamptz $$;
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '2099-01-01'::timestamptz $$;
CREATE FUNCTION public.starts_with(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS $$ SELECT true $$;
CREATE FUNCTION public.pg_backend_pid() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$;
CREATE FUNCTION public.pg_try_advisory_lock(bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION public.pg_advisory_unlock(bigint) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE FUNCTION public.never(oid, oid) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE OPERATOR public.= (LEFTARG = oid, RIGHTARG = oid, FUNCTION = public.never);
CREATE FUNCTION public.never(name, name) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE OPERATOR public.= (LEFTARG = name, RIGHTARG = name, FUNCTION = public.never);
CREATE FUNCTION public.never(timestamptz, timestamptz) RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE OPERATOR public.>= (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = public.never);
CREATE FUNCTION public.never("char", "char") RETURNS boolean LANGUAGE sql AS $$ SELECT false $$;
CREATE OPERATOR public.= (LEFTARG = "char", RIGHTARG = "char", FUNCTION = public.never);
CREATE TYPE public.oid AS ENUM ('no'); CREATE TYPE public.text AS ENUM ('no'); CREATE TYPE public.int8 AS ENUM ('no');
CREATE TYPE public.regclass AS ENUM ('no'); CREATE TYPE public.int2 AS ENUM ('no');`

describeEachServer('sessions that are', (major) => {
  for (const [what, options] of settings) {
    it(`${what} change nothing`, async () => {
      await using database = await createDatabase(major)
      await lives(database, ownPool(database, { options }))
    })
  }

  it('set up to look at public before the catalog, where objects of the same names lie, change nothing', async () => {
    await using database = await createDatabase(major)
    await database.sql(shadows)
    await lives(database, ownPool(database, { options: '-c search_path=public,pg_catalog' }))
  })

  it('given temporary tables with the names of catalogs change nothing', async () => {
    await using database = await createDatabase(major)
    await lives(
      database,
      ownPool(database, {
        firstStatement: `CREATE TEMP TABLE pg_class (x int); CREATE TEMP TABLE pg_inherits (x int); CREATE TEMP TABLE pg_description (x int);
          CREATE TEMP TABLE pg_constraint (x int); CREATE TEMP TABLE events (x int); CREATE TEMP TABLE rest (x int);
          CREATE TEMP TABLE events__2026_02 (x int); CREATE TEMP TABLE events__2026_04 (x int);`,
      }),
    )
  })

  it('told to only read are refused with a sentence', async () => {
    await using database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (at timestamptz NOT NULL) PARTITION BY RANGE (at)`)
    const pool = ownPool(database, { options: '-c default_transaction_read_only=on' })
    await expect(createPartsmith({ pool }).maintain(monthly, { now })).rejects.toMatchObject({
      code: 'server-unsupported',
      message: expect.stringMatching(/default_transaction_read_only off\. Nothing was changed\.$/),
    })
  })
})
