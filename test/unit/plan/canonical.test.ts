import { expect, it } from 'vitest'

import { canonicalJson } from '../../../src/plan/canonical.ts'

it('writes equal values as equal text, whatever the order of their members', () => {
  expect(canonicalJson({ b: [1, { d: 'x', c: null }], a: 2n })).toBe('{"a":"2","b":[1,{"c":null,"d":"x"}]}')
  expect(canonicalJson({ a: 2n, b: [1, { c: null, d: 'x' }] })).toBe('{"a":"2","b":[1,{"c":null,"d":"x"}]}')
})

it('says what JSON says of the rest', () => {
  const value = {
    'quoted "name"\n': 'ü\u2028\ud800',
    list: [undefined, true, Number.NaN, []],
    nothing: undefined,
    own: { toJSON: () => ({ z: 1, a: 2 }) },
    empty: {},
  }
  expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
  expect(canonicalJson(undefined)).toBe('null')
})
