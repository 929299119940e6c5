/** Compiled by `tsc`, never run: each line that is expected not to compile is a way to write an injection. */

import { formatBound } from '../../src/model/bound-text.ts'
import type { Sql } from '../../src/sql/sql.ts'
import { ident, join, literal, qualified, sql, toText, trustedSql } from '../../src/sql/sql.ts'

declare const text: string
declare const count: number
declare const maybe: Sql | undefined

export const fine: readonly Sql[] = [
  sql`SELECT 1`,
  sql`SELECT ${literal(text)} FROM ${ident(text, 'b')}, ${qualified({ schema: 'a', name: text })}`,
  sql`ATTACH PARTITION ${ident('p')} ${trustedSql(formatBound({ kind: 'default' }))}`,
  join([ident('a')], sql`, `),
]

export const refused: readonly unknown[] = [
  // @ts-expect-error a bare string is not SQL
  sql`SELECT ${text}`,
  // @ts-expect-error not even a constant one
  sql`SELECT ${'x'}`,
  // @ts-expect-error a number is not SQL
  sql`SELECT ${count}`,
  // @ts-expect-error nor is the absence of a part
  sql`SELECT ${maybe}`,
  // @ts-expect-error nor is null
  sql`SELECT ${null}`,
  // @ts-expect-error an array has to be joined
  sql`SELECT ${[ident('a')]}`,
  // @ts-expect-error the tag is no function of a string
  sql(text),
  // @ts-expect-error the text of SQL is not SQL again
  sql`SELECT ${toText(sql`1`)}`,
  // @ts-expect-error an object that looks like it is not SQL
  sql`SELECT ${{ text }}`,
  // @ts-expect-error neither parts nor separators are strings
  join([text], sql`, `),
  // @ts-expect-error neither parts nor separators are strings
  join([ident('a')], ', '),
  // @ts-expect-error only SQL has SQL text
  toText(text),
  // @ts-expect-error an identifier has at least one name
  ident(),
  // @ts-expect-error a dotted string is not a table name
  qualified('app.events'),
  // @ts-expect-error a number is not a text
  literal(count),
]

// @ts-expect-error SQL is not a string: it reaches a server through toText alone
export const asString: string = sql`SELECT 1`
