import * as fc from 'fast-check'
import type { QueryResultRow } from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'

import { parseBound } from '../../src/model/bound-text.ts'
import { keyCodec } from '../../src/model/key-codec.ts'
import type { KeyPosition, TimeKeyType } from '../../src/model/key-codec.ts'
import { MICROSECONDS_PER_DAY } from '../../src/model/local-date.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { printedSeed } from '../support/seed.ts'

const seed = printedSeed('key-codec')
const keyTypes: readonly TimeKeyType[] = ['timestamptz', 'timestamp', 'date']

const first = -210_866_803_200_000_000n
const lastTimestamp = 9_224_318_015_999_999_999n
const lastDate = 2_145_042_905n * MICROSECONDS_PER_DAY

function positionsOf(type: TimeKeyType): fc.Arbitrary<bigint> {
  const last = type === 'date' ? lastDate : lastTimestamp
  const anywhere = fc.oneof(
    fc.bigInt({ min: first, max: last }),
    fc.bigInt({ min: -(10n ** 16n), max: 10n ** 16n }),
    fc.constantFrom(
      first,
      last,
      0n,
      -1n,
      1n,
      -62_135_596_800_000_000n,
      -62_135_596_800_000_001n,
      253_402_300_800_000_000n,
    ),
  )
  const rounded = fc.tuple(
    anywhere,
    fc.constantFrom(10n, 1_000n, 1_000_000n, 60_000_000n, MICROSECONDS_PER_DAY),
  )
  const all = fc.oneof(
    anywhere,
    rounded.map(([position, unit]) => (position / unit) * unit),
  )
  return type === 'date'
    ? all.map((position) => (position / MICROSECONDS_PER_DAY) * MICROSECONDS_PER_DAY)
    : all
}

/** What PostgreSQL makes of a text: the position as it counts it, or nothing where it refuses the text. */
const readers = `
  CREATE FUNCTION microseconds_of(day date) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN isfinite(day) THEN ((day - date '1970-01-01') * 86400000000::numeric)::text
                WHEN day > date '1970-01-01' THEN 'Infinity' ELSE '-Infinity' END
  $$;
  CREATE FUNCTION microseconds_of(clock timestamp) RETURNS text LANGUAGE sql AS $$
    -- In two parts, because extract(epoch) is not exact near the end of the range.
    SELECT CASE WHEN isfinite(clock)
                THEN (microseconds_of(clock::date)::numeric + trunc(extract(epoch FROM clock::time) * 1000000))::text
                ELSE microseconds_of(clock::date) END
  $$;
  CREATE FUNCTION position_of(type text, literal text) RETURNS text LANGUAGE plpgsql AS $$
  BEGIN
    RETURN CASE type
      WHEN 'timestamptz' THEN microseconds_of(literal::timestamptz AT TIME ZONE 'UTC')
      WHEN 'timestamp' THEN microseconds_of(literal::timestamp)
      ELSE microseconds_of(literal::date)
    END;
  EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
  END $$;
  CREATE FUNCTION printed(type text, literal text) RETURNS text LANGUAGE plpgsql AS $$
  BEGIN
    RETURN CASE type WHEN 'timestamptz' THEN literal::timestamptz::text
                     WHEN 'timestamp' THEN literal::timestamp::text ELSE literal::date::text END;
  END $$`

const asServer = (position: KeyPosition | undefined): string | undefined =>
  typeof position === 'string' ? position.replace('i', 'I') : position?.toString()

const infinities = ['infinity', '-infinity'] as const

describeEachServer(`key codecs (seed ${seed})`, (major) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await createDatabase(major)
    await database.sql(readers)
  })

  async function ask(
    zone: string,
    [text, ...values]: readonly [string, ...unknown[]],
  ): Promise<readonly QueryResultRow[]> {
    const client = await database.pool.connect()
    try {
      await client.query(
        "SELECT set_config('TimeZone', $1, false), set_config('DateStyle', 'ISO, MDY', false)",
        [zone],
      )
      return (await client.query<QueryResultRow>(text, values)).rows
    } finally {
      client.release(true)
    }
  }

  describe.each(keyTypes)('of %s', (type) => {
    const { encode, decode } = keyCodec(type)
    const literal = (position: bigint | undefined): string => `'${encode(position ?? 0n)}'`
    const positions = fc.sample(positionsOf(type), { seed, numRuns: 5_000 })

    test('write literals that PostgreSQL reads as that position and prints the same', async () => {
      const literals = positions.map((position) => encode(position))
      const rows = await ask('UTC', [
        `SELECT literal, position_of($1, literal) AS position, printed($1, literal) AS printed
           FROM unnest($2::text[]) WITH ORDINALITY AS given(literal, n) ORDER BY n`,
        type,
        literals,
      ])
      expect(rows).toEqual(
        positions.map((position, index) => ({
          literal: literals[index],
          position: position.toString(),
          printed: literals[index],
        })),
      )
      expect(literals.map((literal) => decode(literal))).toEqual(positions)
    })

    test('read what PostgreSQL prints under any zone, with offsets down to the second', async () => {
      for (const zone of [
        'UTC',
        'Asia/Kolkata',
        'America/St_Johns',
        'Europe/Berlin',
        'Pacific/Apia',
        'Africa/Monrovia',
        'Asia/Manila',
      ]) {
        // Local times beyond the last day of PostgreSQL are left out: it prints them, and cannot read them back.
        const inside = positions.filter(
          (position) =>
            position > first + MICROSECONDS_PER_DAY && position < lastTimestamp - MICROSECONDS_PER_DAY,
        )
        const rows = await ask(zone, [
          `SELECT printed($1, literal) AS printed FROM unnest($2::text[]) WITH ORDINALITY AS given(literal, n) ORDER BY n`,
          type,
          [...inside.map((position) => encode(position)), ...infinities],
        ])
        expect(rows.map(({ printed }) => decode(String(printed)))).toEqual([...inside, ...infinities])
      }
    })

    test('never read a text as another position than PostgreSQL does', async () => {
      const texts = fc.constantFrom(
        ...positions.slice(0, 500).map((position) => encode(position)),
        ...infinities,
      )
      const change = fc.tuple(
        fc.nat({ max: 40 }),
        fc.nat({ max: 3 }),
        fc.constantFrom(
          '',
          '0',
          '1',
          '9',
          ' ',
          '-',
          '+',
          ':',
          '.',
          ' BC',
          '+05:30',
          '-00:53:28',
          'T',
          'Z',
          '00',
        ),
      )
      const damaged = fc
        .tuple(texts, fc.array(change, { minLength: 1, maxLength: 3 }))
        .map(([text, changes]) =>
          changes.reduce(
            (each, [at, length, insert]) => each.slice(0, at) + insert + each.slice(at + length),
            text,
          ),
        )
      const literals = fc.sample(damaged, { seed, numRuns: 20_000 })
      const read = literals.filter((literal) => decode(literal) !== undefined)
      const rows = await ask('UTC', [
        `SELECT literal, position_of($1, literal) AS position
           FROM unnest($2::text[]) WITH ORDINALITY AS given(literal, n) ORDER BY n`,
        type,
        read,
      ])
      expect(rows).toEqual(read.map((literal) => ({ literal, position: asServer(decode(literal)) })))
      expect(read.length).toBeGreaterThan(500)
      expect(read.length).toBeLessThan(literals.length)
    })

    test('survive the way through the bounds of partitions', async () => {
      const ends = [...new Set(positions.slice(0, 60))].sort((a, b) => (a < b ? -1 : 1))
      const ranges = ends.slice(1).map((to, index) => [ends[index], to] as const)
      const table = `keyed_by_${type}`
      const partitions = ranges.map(
        ([from, to], index) =>
          `CREATE TABLE ${table}_${index} PARTITION OF ${table} FOR VALUES FROM (${literal(from)}) TO (${literal(to)})`,
      )
      await database.sql(
        [`CREATE TABLE ${table} (key ${type}) PARTITION BY RANGE (key)`, ...partitions].join(';\n'),
      )
      const rows = await ask('UTC', [
        `SELECT pg_get_expr(relpartbound, c.oid) AS bound FROM pg_class c JOIN pg_inherits ON inhrelid = c.oid
           WHERE inhparent = $1::regclass ORDER BY substring(relname FROM '[0-9]+$')::int`,
        table,
      ])
      const edges = rows.map(({ bound }) => {
        const parsed = parseBound(String(bound))
        if (parsed?.kind !== 'range') return String(bound)
        return [...parsed.from, ...parsed.to].map((edge) =>
          edge.kind === 'value' ? decode(edge.text) : edge.kind,
        )
      })
      expect(edges).toEqual(ranges)
    })
  })
})
