import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'

import { maxIdentifierBytes } from '../../src/model/quote.ts'
import { readable } from '../../src/sql/readable.ts'
import type { Sql } from '../../src/sql/sql.ts'
import { ident, literal, qualified, sql, toText } from '../../src/sql/sql.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const bytesOf = (text: string): number => Buffer.byteLength(text)

/** Cuts a text on a character border, and fills it up with `x` where exactly this many bytes are wanted. */
function cutToBytes(text: string, bytes: number, fill: boolean): string {
  let cut = ''
  for (const character of text) {
    if (bytesOf(cut + character) > bytes) break
    cut += character
  }
  return fill ? cut.padEnd(cut.length + bytes - bytesOf(cut), 'x') : cut
}

const hostileNames = [
  '"',
  '""',
  "'",
  'a.b',
  '.',
  '"a"."b"',
  'Capitals',
  'with space',
  ' ',
  '🐘',
  '100%',
  '%s',
  '%I',
  '$1',
  '$$',
  ':name',
  '::text',
  '?',
  '??',
  '\\',
  'a\\b',
  '\\u0041',
  'select',
  'a;b',
  '--',
  '/*',
  'line\nend',
  '\t',
  '\r',
  '\u001b[31m',
  '\u009b',
  '\u202e',
  '\u{e0001}',
  'p\n\\endif\ncreate table pwned();--',
  'été',
  'e\u0301',
  'x'.repeat(maxIdentifierBytes),
  cutToBytes('é'.repeat(40), maxIdentifierBytes, true),
  cutToBytes('🐘'.repeat(40), maxIdentifierBytes, true),
  cutToBytes('"'.repeat(99), maxIdentifierBytes, true),
]

const identifier = fc.oneof(
  fc.constantFrom(...hostileNames),
  fc
    .tuple(
      fc.oneof(
        fc
          .array(fc.constantFrom(...hostileNames), { minLength: 1, maxLength: 6 })
          .map((parts) => parts.join('')),
        fc
          .string({ unit: 'binary', minLength: 1, maxLength: 80 })
          .map((text) => `n${text.replaceAll('\0', '')}`),
      ),
      fc.boolean(),
    )
    .map(([text, fill]) => cutToBytes(text, maxIdentifierBytes, fill)),
)

const hostileComment = fc.oneof(
  fc.constantFrom(
    ...hostileNames,
    'NULL',
    "'; DROP TABLE t; --",
    "\\'",
    "E'x'",
    'a\r\nb',
    '\u0001',
    '\ufeff',
  ),
  fc
    .array(fc.constantFrom(...hostileNames, "'", '\\', '\n'), { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join('')),
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).map((text) => `${text.replaceAll('\0', '')}.`),
)

/** Runs a statement that is parsed under the given setting, whichever connection of the pool it gets. */
const executeUnder = (setting: 'on' | 'off'): string => `
  CREATE FUNCTION execute_${setting}(statement text) RETURNS void LANGUAGE plpgsql
    SET standard_conforming_strings = ${setting} AS 'BEGIN EXECUTE statement; END'`

describeEachServer('quoting', (major) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase(major)
    await database.sql(`${executeUnder('on')}; ${executeUnder('off')}; CREATE TABLE commented (id int)`)
  })

  const run = async (statement: Sql): Promise<unknown> => database.sql(toText(statement))

  test('every name that ident takes is the name that the catalog has afterwards', async () => {
    await fc.assert(
      fc.asyncProperty(identifier, identifier, identifier, async (schema, name, column) => {
        // PostgreSQL keeps this prefix to itself for schemas, and these names of columns.
        fc.pre(
          !schema.startsWith('pg_') && !['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid'].includes(column),
        )
        await run(sql`CREATE SCHEMA ${ident(schema)}`)
        await run(sql`CREATE TABLE ${qualified({ schema, name })} (${ident(column)} int)`)
        const rows = await database.sql(
          `SELECT nspname, relname, attname FROM pg_namespace n
             JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
           WHERE nspname <> 'information_schema' AND nspname !~ '^pg_' AND c.relkind = 'r' AND relname <> 'commented'`,
        )
        await run(sql`DROP SCHEMA ${ident(schema)} CASCADE`)
        expect(rows).toEqual([{ nspname: schema, relname: name, attname: column }])
      }),
      { numRuns: 60, examples: hostileNames.map((name): [string, string, string] => [name, name, name]) },
    )
  })

  test('what is shown of a statement means the same, and every character of it is seen', async () => {
    await fc.assert(
      fc.asyncProperty(identifier, hostileComment, async (name, text) => {
        const nested = sql`${ident(name)}, ${literal(text)}`
        const shown = readable(sql`SELECT ${literal(text)} AS ${ident(name)}, -- it's "one
          ${literal(toText(nested))} AS nested, E'\\\\' AS quote`)
        expect(shown).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
        expect(shown.split('\n')).toHaveLength(2)
        const { rows, fields } = await database.pool.query({ text: shown, rowMode: 'array' })
        expect(fields.map((field) => field.name)).toEqual([name, 'nested', 'quote'])
        expect(rows).toEqual([[text, toText(nested), '\\']])
      }),
      { numRuns: 100, examples: hostileNames.map((name): [string, string] => [name, name]) },
    )
  })

  test('a dot inside a name is never the dot between two names', async () => {
    await database.sql(
      'CREATE SCHEMA a; CREATE SCHEMA "a.b"; CREATE TABLE a."b.c" (n int); CREATE TABLE "a.b".c (n int)',
    )
    const oids = await Promise.all(
      [qualified({ schema: 'a', name: 'b.c' }), qualified({ schema: 'a.b', name: 'c' })].map((name) =>
        database.sql(
          toText(sql`SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.oid = ${literal(toText(name))}::regclass`),
        ),
      ),
    )
    expect(oids).toEqual([[{ nspname: 'a' }], [{ nspname: 'a.b' }]])
  })

  describe.each(['on', 'off'] as const)('with standard_conforming_strings %s', (setting) => {
    test('every comment that literal takes is the comment that the catalog has afterwards', async () => {
      await fc.assert(
        fc.asyncProperty(hostileComment, async (comment) => {
          const statement = sql`COMMENT ON TABLE ${ident('commented')} IS ${literal(comment)}`
          await database.sql(`SELECT execute_${setting}($1)`, [toText(statement)])
          const rows = await database.sql(
            `SELECT obj_description('commented'::regclass, 'pg_class') AS comment`,
          )
          expect(rows).toEqual([{ comment }])
        }),
        { numRuns: 100, examples: hostileNames.map((name): [string] => [name]) },
      )
    })

    test('null and the empty text both take a comment away', async () => {
      for (const nothing of [null, '']) {
        await database.sql(`COMMENT ON TABLE commented IS 'something'`)
        const statement = sql`COMMENT ON TABLE ${ident('commented')} IS ${literal(nothing)}`
        await database.sql(`SELECT execute_${setting}($1)`, [toText(statement)])
        const rows = await database.sql(
          `SELECT obj_description('commented'::regclass, 'pg_class') AS comment`,
        )
        expect(rows).toEqual([{ comment: null }])
      }
    })
  })
})
