import { describe, expect, test } from 'vitest'

import { formatBound, parseBound } from '../../../src/model/bound-text.ts'
import type { Bound, BoundEdge } from '../../../src/model/bound.ts'

const value = (text: string): BoundEdge => ({ kind: 'value', text })
const minvalue: BoundEdge = { kind: 'minvalue' }
const maxvalue: BoundEdge = { kind: 'maxvalue' }

describe('parseBound', () => {
  test.each<[string, Bound]>([
    ['DEFAULT', { kind: 'default' }],
    [
      "FOR VALUES FROM ('2026-03-08 05:00:00.000001+00') TO ('infinity')",
      { kind: 'range', from: [value('2026-03-08 05:00:00.000001+00')], to: [value('infinity')] },
    ],
    ['FOR VALUES FROM (0) TO (10)', { kind: 'range', from: [value('0')], to: [value('10')] }],
    ["FOR VALUES FROM ('0') TO ('10')", { kind: 'range', from: [value('0')], to: [value('10')] }],
    ["FOR VALUES FROM ('-1') TO (1.10)", { kind: 'range', from: [value('-1')], to: [value('1.10')] }],
    ['FOR VALUES FROM (false) TO (true)', { kind: 'range', from: [value('false')], to: [value('true')] }],
    ['FOR VALUES FROM (MINVALUE) TO (MAXVALUE)', { kind: 'range', from: [minvalue], to: [maxvalue] }],
    [
      "FOR VALUES FROM ('MINVALUE') TO ('MAXVALUE')",
      { kind: 'range', from: [value('MINVALUE')], to: [value('MAXVALUE')] },
    ],
    [
      "FOR VALUES FROM (1, MINVALUE, MINVALUE) TO (1, 'a, b) (', MAXVALUE)",
      { kind: 'range', from: [value('1'), minvalue, minvalue], to: [value('1'), value('a, b) ('), maxvalue] },
    ],
    ["FOR VALUES IN ('a', 'b,c', NULL, 'NULL')", { kind: 'list', values: ['a', 'b,c', null, 'NULL'] }],
    ["FOR VALUES IN ('', '''', 'it''s', '''''')", { kind: 'list', values: ['', "'", "it's", "''"] }],
    ["FOR VALUES IN ('a\nb', 'c\\d', '\\', 'e''')", { kind: 'list', values: ['a\nb', 'c\\d', '\\', "e'"] }],
    ["FOR VALUES IN (E'c\\\\d''e')", { kind: 'list', values: ["c\\d'e"] }],
    ['FOR VALUES IN (true, NULL)', { kind: 'list', values: ['true', null] }],
    ['FOR VALUES WITH (modulus 4, remainder 1)', { kind: 'hash', modulus: 4, remainder: 1 }],
  ])('reads %j', (text, bound) => {
    expect(parseBound(text)).toEqual(bound)
  })

  test.each([
    '',
    ' ',
    'default',
    'DEFAULT DEFAULT',
    "'DEFAULT'",
    'FOR VALUES',
    "FOR VALUES 'IN' (1)",
    'FOR VALUES IN',
    'FOR VALUES IN ()',
    'FOR VALUES IN (1',
    'FOR VALUES IN (1,)',
    'FOR VALUES IN (,1)',
    'FOR VALUES IN (1 2)',
    'FOR VALUES IN (1) x',
    'FOR VALUES IN (1;2)',
    'FOR VALUES IN ((1))',
    "FOR VALUES IN (('a')",
    "FOR VALUES IN ('a)",
    "FOR VALUES IN ('a'')",
    "FOR VALUES IN ('a' 'b')",
    "FOR VALUES IN ('a'::text)",
    "FOR VALUES IN (E'a\\nb')",
    "FOR VALUES IN (E'a\\'b')",
    "FOR VALUES IN (e'a')",
    'FOR VALUES IN (MINVALUE)',
    'FOR VALUES IN (null)',
    'FOR VALUES IN (TRUE)',
    'FOR VALUES IN (now())',
    'FOR VALUES IN (-1)',
    'FOR VALUES IN (1.)',
    'FOR VALUES IN (.5)',
    'FOR VALUES IN (1e5)',
    'FOR VALUES IN (NaN)',
    'FOR VALUES IN ("a")',
    'FOR VALUES FROM (1)',
    'FOR VALUES FROM (1) TO ()',
    'FOR VALUES FROM (1) TO (2, 3)',
    'FOR VALUES FROM (NULL) TO (2)',
    'FOR VALUES FROM 1 TO 2',
    'FOR VALUES WITH (modulus 4)',
    'FOR VALUES WITH (modulus 4, remainder 4)',
    'FOR VALUES WITH (modulus 0, remainder 0)',
    'FOR VALUES WITH (modulus 4.0, remainder 1)',
    "FOR VALUES WITH (modulus '4', remainder 1)",
    'FOR VALUES WITH (remainder 1, modulus 4)',
    'FOR VALUES WITH (modulus 99999999999999999999, remainder 1)',
  ])('does not guess at %j', (text) => {
    expect(parseBound(text)).toBeUndefined()
  })

  test('reads a text of a million characters without trouble', () => {
    const long = "it's \\ ".repeat(150_000)
    expect(parseBound(formatBound({ kind: 'list', values: [long] }))).toEqual({
      kind: 'list',
      values: [long],
    })
  })
})

describe('formatBound', () => {
  test.each<[Bound, string]>([
    [{ kind: 'default' }, 'DEFAULT'],
    [{ kind: 'hash', modulus: 4, remainder: 0 }, 'FOR VALUES WITH (modulus 4, remainder 0)'],
    [
      { kind: 'list', values: [null, 'NULL', "it's", 'a\\b'] },
      "FOR VALUES IN (NULL, 'NULL', 'it''s', E'a\\\\b')",
    ],
    [
      { kind: 'range', from: [value('1'), minvalue], to: [value('MAXVALUE'), maxvalue] },
      "FOR VALUES FROM ('1', MINVALUE) TO ('MAXVALUE', MAXVALUE)",
    ],
  ])('writes %j as %s', (bound, text) => {
    expect(formatBound(bound)).toBe(text)
  })

  test('refuses a hash bound that is not two whole numbers, also when its type was never checked', () => {
    const fromJson: Bound = JSON.parse(
      '{"kind":"hash","modulus":"4, remainder 0); DROP TABLE x; --","remainder":0}',
    )
    expect(() => formatBound(fromJson)).toThrow(/needs whole numbers/)
    expect(() => formatBound({ kind: 'hash', modulus: 4, remainder: 4 })).toThrow(/modulus 4 and remainder 4/)
    expect(() => formatBound({ kind: 'hash', modulus: 4, remainder: -1 })).toThrow(/needs whole numbers/)
    expect(() => formatBound({ kind: 'hash', modulus: 4.5, remainder: 1 })).toThrow(/needs whole numbers/)
  })

  test('refuses a bound of an unknown kind instead of making it the default', () => {
    const fromJson: Bound = JSON.parse('{"kind":"Range","from":[],"to":[]}')
    expect(() => formatBound(fromJson)).toThrow(/kind "Range" cannot be written/)
  })

  test('refuses a value with a NUL character', () => {
    expect(() => formatBound({ kind: 'list', values: ['a\0'] })).toThrow(/NUL character/)
  })
})
