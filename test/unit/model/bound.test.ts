import { describe, expect, test } from 'vitest'

import type { Bound, BoundEdge } from '../../../src/model/bound.ts'
import { describeBound, sameBound } from '../../../src/model/bound.ts'

const value = (text: string): BoundEdge => ({ kind: 'value', text })
const minvalue: BoundEdge = { kind: 'minvalue' }
const maxvalue: BoundEdge = { kind: 'maxvalue' }
const range = (from: readonly BoundEdge[], to: readonly BoundEdge[]): Bound => ({ kind: 'range', from, to })
const list = (...values: readonly (string | null)[]): Bound => ({ kind: 'list', values })

describe('sameBound', () => {
  const different: readonly Bound[] = [
    { kind: 'default' },
    range([minvalue], [maxvalue]),
    range([value('-infinity')], [value('infinity')]),
    range([value('MINVALUE')], [value('MAXVALUE')]),
    range([value('1')], [maxvalue]),
    range([value('1')], [value('2')]),
    range([value('1'), minvalue], [value('2'), minvalue]),
    list('a'),
    list('NULL'),
    list(null),
    list('a', 'b'),
    { kind: 'hash', modulus: 4, remainder: 1 },
    { kind: 'hash', modulus: 8, remainder: 1 },
    { kind: 'hash', modulus: 4, remainder: 2 },
  ]

  test('is true for a bound and a copy of it, and false for every other bound, both ways', () => {
    for (const [i, a] of different.entries()) {
      for (const [j, b] of different.entries()) {
        expect(sameBound(a, structuredClone(b)), `${describeBound(a)} and ${describeBound(b)}`).toBe(i === j)
      }
    }
  })

  test('does not count the order and the repetition of list values', () => {
    expect(sameBound(list('a', null, 'b'), list('b', 'a', 'a', null))).toBe(true)
    expect(sameBound(list('a', 'b'), list('a', 'a'))).toBe(false)
    expect(sameBound(list('a', 'a'), list('a', 'b'))).toBe(false)
  })

  test('compares spelling, so one value spelled in two ways is not the same', () => {
    expect(sameBound(list('1.0'), list('1.00'))).toBe(false)
  })
})

describe('describeBound', () => {
  test.each<[Bound, string]>([
    [{ kind: 'default' }, 'default'],
    [{ kind: 'hash', modulus: 4, remainder: 1 }, 'modulus 4, remainder 1'],
    [
      range([value('2026-01-01 00:00:00+00')], [value('2026-02-01 00:00:00.000001+00')]),
      '[2026-01-01 00:00:00+00, 2026-02-01 00:00:00.000001+00)',
    ],
    [range([minvalue], [value('-infinity')]), '[minvalue, -infinity)'],
    [range([value('MINVALUE')], [maxvalue]), '["MINVALUE", maxvalue)'],
    [range([value('1'), minvalue], [value('1'), value('x, y')]), '[(1, minvalue), (1, "x, y"))'],
    [list('eu', 'São Paulo', null, 'NULL', '', ' '), 'in (eu, São Paulo, null, "NULL", "", " ")'],
    [
      list('a\nb', '\u001b[31mred', '\u202eback', '\u0085'),
      'in ("a\\nb", "\\u001b[31mred", "\\u{202e}back", "\\u{85}")',
    ],
  ])('writes %j as %s', (bound, text) => {
    expect(describeBound(bound)).toBe(text)
  })
})
