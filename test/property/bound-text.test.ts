import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'

import { formatBound, parseBound } from '../../src/model/bound-text.ts'
import type { Bound, BoundEdge } from '../../src/model/bound.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer, uniqueName } from '../support/database.ts'

const hostileTexts = [
  '',
  ' ',
  "'",
  "''",
  "it's",
  '\\',
  "\\'",
  'a\\\\b',
  'line\nend',
  'a\r\n\tb',
  ')',
  "'), ('",
  'a, b',
  'NULL',
  'MINVALUE',
  'MAXVALUE',
  'DEFAULT',
  'true',
  '1',
  "E'x'",
  'U&"x"',
  '$$',
  '$1',
  '%s',
  ':name',
  '?',
  '--',
  '/*',
  '"quoted"',
  'été',
  '🐘',
  'e\u0301',
  '\u202e',
  '\u0001',
]

const hostileText = fc.oneof(
  fc.constantFrom(...hostileTexts),
  fc
    .array(fc.constantFrom(...hostileTexts, "'", '\\', '"', '(', ')', ',', 'E', '\n'), { maxLength: 8 })
    .map((parts) => parts.join('')),
  // PostgreSQL has no NUL; everything else that has a UTF-8 form is allowed.
  fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll('\0', '')),
)

describe('bounds as text', () => {
  const edge: fc.Arbitrary<BoundEdge> = fc.oneof(
    fc.constant<BoundEdge>({ kind: 'minvalue' }),
    fc.constant<BoundEdge>({ kind: 'maxvalue' }),
    hostileText.map((text): BoundEdge => ({ kind: 'value', text })),
  )
  const bound: fc.Arbitrary<Bound> = fc.oneof(
    fc.constant<Bound>({ kind: 'default' }),
    fc.array(fc.tuple(edge, edge), { minLength: 1, maxLength: 4 }).map((pairs): Bound => ({
      kind: 'range',
      from: pairs.map(([from]) => from),
      to: pairs.map(([, to]) => to),
    })),
    fc
      .array(fc.option(hostileText), { minLength: 1, maxLength: 5 })
      .map((values): Bound => ({ kind: 'list', values })),
    fc
      .tuple(fc.integer({ min: 1 }), fc.nat())
      .map(([modulus, n]): Bound => ({ kind: 'hash', modulus, remainder: n % modulus })),
  )

  test('reading gives back every bound that was written', () => {
    fc.assert(
      fc.property(bound, (bound) => {
        expect(parseBound(formatBound(bound))).toEqual(bound)
      }),
      { numRuns: 2_000 },
    )
  })

  test('a text that was cut short is never read', () => {
    fc.assert(
      fc.property(bound, fc.nat(), (bound, n) => {
        const text = formatBound(bound)
        expect(parseBound(text.slice(0, n % text.length))).toBeUndefined()
      }),
      { numRuns: 2_000 },
    )
  })
})

/** The values of one bound before PostgreSQL has seen them; null stands for MINVALUE, MAXVALUE or NULL. */
type Values =
  | {
      readonly kind: 'range'
      readonly from: readonly (string | null)[]
      readonly to: readonly (string | null)[]
    }
  | { readonly kind: 'list'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'hash'; readonly modulus: number; readonly remainder: number }

interface Case {
  /** The partition key with its column types: `k timestamptz`. */
  readonly columns: string
  readonly by: string
  readonly values: fc.Arbitrary<Values>
  readonly examples?: readonly Values[]
  /** Whether the type keeps a text as it is, so that what was read must equal what went in. */
  readonly verbatim?: boolean
}

const range = (from: readonly (string | null)[], to: readonly (string | null)[]): Values => ({
  kind: 'range',
  from,
  to,
})
const list = (...values: readonly (string | null)[]): Values => ({ kind: 'list', values })

/** Two different numbers as a range, in order, written by `write`; either end may be open. */
function numericRange(min: bigint, max: bigint, write: (value: bigint) => string): fc.Arbitrary<Values> {
  const end = fc.bigInt({ min, max: max - 1n })
  return fc.tuple(end, end, fc.constantFrom('both', 'from', 'to', 'none')).map(([a, b, closed]) => {
    const low = a < b ? a : b
    const high = (a < b ? b : a) + 1n
    const from = closed === 'both' || closed === 'from' ? write(low) : null
    const to = closed === 'both' || closed === 'to' ? write(high) : null
    return range([from], [to])
  })
}

const day = 86_400_000_000n
const year1 = -719_162n * day
const year10000 = 2_932_897n * day - 1n

function timestampText(micros: bigint): string {
  const milliseconds = micros >= 0n || micros % 1_000n === 0n ? micros / 1_000n : micros / 1_000n - 1n
  const iso = new Date(Number(milliseconds)).toISOString()
  return `${iso.slice(0, 10)} ${iso.slice(11, 23)}${String(micros - milliseconds * 1_000n).padStart(3, '0')}`
}

const listOf = (value: fc.Arbitrary<string>): fc.Arbitrary<Values> =>
  fc
    .uniqueArray(fc.option(value, { freq: 8 }), { minLength: 1, maxLength: 5 })
    .map((values) => list(...values))

/** Ordered under the C collation, because the lower text is the beginning of the upper one. */
const textRange = fc.tuple(hostileText, hostileText).map(([text, more]) => range([text], [`${text}${more}x`]))

const cases: readonly Case[] = [
  {
    columns: 'k timestamptz',
    by: 'RANGE (k)',
    values: numericRange(year1, year10000, (micros) => `${timestampText(micros)}+00`),
    examples: [
      range(['2026-03-08 05:00:00.000001+00'], ['2026-03-08 01:00:00-05']),
      range(['-infinity'], ['infinity']),
      range(['infinity'], [null]),
      range([null], ['-infinity']),
      range(['0044-03-15 12:00:00+00 BC'], ['294276-12-31 23:59:59.999999+00']),
    ],
  },
  {
    columns: 'k timestamp',
    by: 'RANGE (k)',
    values: numericRange(year1, year10000, timestampText),
    examples: [range(['-infinity'], ['0044-03-15 12:00:00 BC'])],
  },
  {
    columns: 'k date',
    by: 'RANGE (k)',
    values: numericRange(year1 / day, year10000 / day, (days) => timestampText(days * day).slice(0, 10)),
    examples: [range(['-infinity'], ['infinity']), range(['0044-03-15 BC'], ['5874897-12-31'])],
  },
  {
    columns: 'k int',
    by: 'RANGE (k)',
    values: numericRange(-(2n ** 31n), 2n ** 31n - 1n, String),
    examples: [range(['-1'], ['0']), range(['0'], ['10'])],
  },
  { columns: 'k bigint', by: 'RANGE (k)', values: numericRange(-(2n ** 63n), 2n ** 63n - 1n, String) },
  {
    columns: 'k numeric',
    by: 'RANGE (k)',
    values: numericRange(-(10n ** 30n), 10n ** 30n, (value) => `${value}e-9`),
    examples: [
      range(['1.10'], ['2500']),
      range(['0'], ['NaN']),
      range(['-Infinity'], ['Infinity']),
      range(['-1'], [`1${'0'.repeat(200)}`]),
    ],
  },
  { columns: 'k text COLLATE "C"', by: 'RANGE (k)', values: textRange, verbatim: true },
  {
    columns: 'k text',
    by: 'LIST (k)',
    values: listOf(hostileText),
    examples: [list(...hostileTexts, null)],
    verbatim: true,
  },
  {
    columns: 'k varchar(40)',
    by: 'LIST (k)',
    values: listOf(hostileText.map((text) => Array.from(text).slice(0, 40).join(''))),
    verbatim: true,
  },
  {
    columns: 'k int',
    by: 'LIST (k)',
    values: listOf(fc.integer().map(String)),
    examples: [list(null)],
    verbatim: true,
  },
  { columns: 'k bool', by: 'LIST (k)', values: listOf(fc.constantFrom('true', 'false')), verbatim: true },
  { columns: 'k bool', by: 'RANGE (k)', values: fc.constant(range(['false'], ['true'])), verbatim: true },
  { columns: 'k uuid', by: 'LIST (k)', values: listOf(fc.uuid()), verbatim: true },
  {
    columns: 'k uuid',
    by: 'RANGE (k)',
    values: fc.uuid().map((uuid) => range([uuid.replace(/^./, '0')], [uuid.replace(/^./, '1')])),
    verbatim: true,
  },
  {
    columns: 'k bytea',
    by: 'LIST (k)',
    values: listOf(
      fc.uint8Array({ maxLength: 8 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`),
    ),
    verbatim: true,
  },
  {
    columns: 'k float8',
    by: 'LIST (k)',
    values: listOf(fc.double().map(String)),
    examples: [list('0.30000000000000004')],
  },
  {
    columns: 'k text[]',
    by: 'LIST (k)',
    values: listOf(hostileText.map((text) => `{${JSON.stringify(text.replaceAll(/\p{Cc}/gu, ''))}}`)),
  },
  {
    columns: 'k bigint',
    by: 'HASH (k)',
    values: fc
      .tuple(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.nat())
      .map(([modulus, n]) => ({ kind: 'hash', modulus, remainder: n % modulus })),
  },
  {
    columns: 'a int, b text COLLATE "C", c timestamptz',
    by: 'RANGE (a, b, c)',
    values: fc
      .tuple(fc.integer({ max: 2 ** 31 - 2 }), hostileText, hostileText, fc.constantFrom(1, 2, 3))
      .map(([a, low, high, closed]) => {
        const instant = '2026-03-08 05:00:00.000001+00'
        const open = (...columns: readonly string[]): (string | null)[] =>
          [0, 1, 2].map((index) => (index < closed ? (columns[index] ?? null) : null))
        // With every column but the first open on both sides, only the first one orders the two ends.
        return range(open(String(a), low, instant), open(String(a + 1), high, instant))
      }),
    examples: [
      range(['1', null, null], ['1', 'MAXVALUE', null]),
      range([null, null, null], [null, null, null]),
    ],
    verbatim: true,
  },
]

/**
 * Creates a partition, reads its bound under the settings that every reader pins, and drops it again.
 *
 * Only what is between the two calls of set_config is under the setting that is asked for.
 */
const probe = `
  CREATE FUNCTION printed_bound(parent text, bound text, conforming text) RETURNS text LANGUAGE plpgsql
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 3
    SET bytea_output = 'hex'
  AS $$
  DECLARE printed text;
  BEGIN
    PERFORM set_config('standard_conforming_strings', conforming, true);
    EXECUTE 'CREATE TABLE probe PARTITION OF ' || parent || ' ' || bound;
    PERFORM set_config('standard_conforming_strings', 'on', true);
    SELECT pg_get_expr(relpartbound, 0) INTO STRICT printed FROM pg_class WHERE relname = 'probe';
    DROP TABLE probe;
    RETURN printed;
  END $$`

/** The bound in the server's own quoting, so that ours is not tested against itself. */
const quotedByServer = {
  range: `SELECT format('FOR VALUES FROM (%s) TO (%s)',
            (SELECT string_agg(coalesce(quote_literal(v), 'MINVALUE'), ', ' ORDER BY n)
             FROM unnest($1::text[]) WITH ORDINALITY AS u(v, n)),
            (SELECT string_agg(coalesce(quote_literal(v), 'MAXVALUE'), ', ' ORDER BY n)
             FROM unnest($2::text[]) WITH ORDINALITY AS u(v, n))) AS bound`,
  list: `SELECT format('FOR VALUES IN (%s)', string_agg(quote_nullable(v), ', ' ORDER BY n)) AS bound
         FROM unnest($1::text[]) WITH ORDINALITY AS u(v, n)`,
  hash: `SELECT format('FOR VALUES WITH (modulus %s, remainder %s)', $1::int, $2::int) AS bound`,
} as const

describeEachServer('bounds of every key type', (major) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase(major)
    await database.sql(probe)
  })

  async function one(text: string, values: readonly unknown[]): Promise<string> {
    const [row] = await database.sql(text, values)
    const value: unknown = Object.values(row ?? {})[0]
    if (typeof value !== 'string') throw new TypeError(`${text} gave no text`)
    return value
  }

  const serverBound = (values: Values): Promise<string> => {
    if (values.kind === 'range') return one(quotedByServer.range, [values.from, values.to])
    if (values.kind === 'list') return one(quotedByServer.list, [values.values])
    return one(quotedByServer.hash, [values.modulus, values.remainder])
  }

  const printed = (parent: string, bound: string, conforming: 'on' | 'off'): Promise<string> =>
    one('SELECT printed_bound($1, $2, $3)', [parent, bound, conforming])

  test.each(cases)(
    '$by of $columns: what PostgreSQL prints is read, and makes the same bound again',
    async (each) => {
      const { columns, by, values, examples = [], verbatim = false } = each
      const parent = uniqueName('parent')
      await database.sql(`CREATE TABLE ${parent} (${columns}) PARTITION BY ${by}`)
      await fc.assert(
        fc.asyncProperty(values, async (values) => {
          const first = await printed(parent, await serverBound(values), 'on')
          const bound = parseBound(first)
          if (bound === undefined) throw new Error(`not read: ${first}`)
          const again = formatBound(bound)
          expect({
            bound,
            on: await printed(parent, again, 'on'),
            off: await printed(parent, again, 'off'),
          }).toEqual({ bound: verbatim ? asBound(values) : bound, on: first, off: first })
        }),
        { numRuns: 20 + examples.length, examples: examples.map((example): [Values] => [example]) },
      )
    },
  )

  test('a default partition', async () => {
    await database.sql('CREATE TABLE with_default (k int) PARTITION BY RANGE (k)')
    expect(parseBound(await printed('with_default', formatBound({ kind: 'default' }), 'on'))).toEqual({
      kind: 'default',
    })
  })

  test('with standard_conforming_strings off PostgreSQL doubles backslashes, so a reader has to pin it', async () => {
    await database.sql(`
      CREATE TABLE slashes (k text) PARTITION BY LIST (k);
      CREATE TABLE slash PARTITION OF slashes FOR VALUES IN (E'a\\\\b');
      CREATE FUNCTION printed_unpinned() RETURNS text LANGUAGE sql SET standard_conforming_strings = off
        AS $$ SELECT pg_get_expr(relpartbound, 0) FROM pg_class WHERE relname = 'slash' $$`)
    expect(parseBound(await one('SELECT printed_unpinned()', []))).toEqual({
      kind: 'list',
      values: ['a\\\\b'],
    })
    const pinned = `SELECT pg_get_expr(relpartbound, 0) FROM pg_class WHERE relname = 'slash'`
    expect(parseBound(await one(pinned, []))).toEqual({ kind: 'list', values: ['a\\b'] })
  })
})

function asBound(values: Values): Bound {
  if (values.kind !== 'range') return values
  return { kind: 'range', from: values.from.map(asEdge('minvalue')), to: values.to.map(asEdge('maxvalue')) }
}

function asEdge(open: 'minvalue' | 'maxvalue'): (text: string | null) => BoundEdge {
  return (text) => (text === null ? { kind: open } : { kind: 'value', text })
}
