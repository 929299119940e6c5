import { describe, expect, test } from 'vitest'

import { PartitionError } from '../../../src/errors.ts'
import type { Sql } from '../../../src/sql/sql.ts'
import { ident, join, literal, qualified, sql, toText, trustedSql } from '../../../src/sql/sql.ts'

describe('sql', () => {
  test('puts parts between constant text', () => {
    const table = qualified({ schema: 'app', name: 'events"; DROP TABLE x; --' })
    const statement = sql`COMMENT ON TABLE ${table} IS ${literal("it's")}`
    expect(toText(statement)).toBe(`COMMENT ON TABLE "app"."events""; DROP TABLE x; --" IS 'it''s'`)
  })

  test('leaves parameters, doubled quotes and closed comments in the text alone', () => {
    const text = sql`SELECT '' || 'it''s' AS "a""b", $1::text /* don't */ -- nor "this
      , $$ it's $$, ${literal('x')}, $body$ $$ " $body$`
    expect(toText(text)).toContain(`$$ it's $$, 'x', $body$`)
  })

  test('nests', () => {
    const condition = sql`${ident('a', 'b')} = ${literal(null)}`
    expect(toText(sql`SELECT 1 WHERE ${condition} AND ${trustedSql('true')}`)).toBe(
      'SELECT 1 WHERE "a"."b" = NULL AND true',
    )
  })

  test('joins parts with a separator, and gives empty text for none', () => {
    expect(toText(join([ident('a'), ident('B')], sql`, `))).toBe('"a", "B"')
    expect(toText(join([], sql`, `))).toBe('')
  })

  const part = literal('x')
  test.each<[string, () => Sql]>([
    ['single quotes', () => sql`SELECT '${part}'`],
    ['single quotes', () => sql`SELECT '"', 'it''s ${part}'`],
    ['double quotes', () => sql`SELECT "a${part}"`],
    ['a comment', () => sql`SELECT 1 -- ${part}`],
    ['a comment', () => sql`SELECT 1 /* ${part} */`],
    ['a dollar-quoted body', () => sql`DO $$ BEGIN PERFORM ${part}; END $$`],
    ['a dollar-quoted body', () => sql`DO $body$ $$ $$ BEGIN PERFORM ${part}; END $body$`],
    ['a comment', () => sql`${part} -- to the end`],
  ])('refuses a text that leaves %s open', (open, build) => {
    expect(build).toThrow(`leaves ${open} open`)
    expect(build, 'the second time as well').toThrow(PartitionError)
  })

  test('refuses a part that is not SQL at run time, where no compiler looked', () => {
    const untyped: Record<'text' | 'number' | 'lookalike' | 'nothing', Sql> = JSON.parse(
      '{ "text": "1; DROP TABLE x", "number": 1, "lookalike": { "text": "x" }, "nothing": null }',
    )
    for (const forged of Object.values(untyped)) {
      expect(() => sql`SELECT ${forged}`).toThrow(/Wrap a name in ident\(\)/)
      expect(() => join([forged], sql`, `)).toThrow(PartitionError)
      expect(() => toText(forged)).toThrow(PartitionError)
    }
  })
})
