import * as fc from 'fast-check'
import { expect, it } from 'vitest'

import { arrayColumn } from '../../../src/sql/array-column.ts'

it('reads what the server prints for a list', () => {
  expect(arrayColumn('{16384,16390}')).toEqual(['16384', '16390'])
  expect(arrayColumn('{}')).toEqual([])
  expect(arrayColumn(null)).toEqual([])
  expect(arrayColumn('{plain,NULL,"null"}')).toEqual(['plain', null, 'null'])
  expect(arrayColumn('{NULL,a}')).toEqual([null, 'a'])
  expect(arrayColumn(String.raw`{"a,b","c\"d\\e","{f}",""," g ",h}`)).toEqual([
    'a,b',
    String.raw`c"d\e`,
    '{f}',
    '',
    ' g ',
    'h',
  ])
  expect(arrayColumn('{"two\nlines",x}')).toEqual(['two\nlines', 'x'])
})

/** As the server writes an entry: in quotes where it is empty, looks like NULL, or holds what means something here. */
function written(entry: string | null): string {
  if (entry === null) return 'NULL'
  if (entry !== '' && !/[{}",\\\s]/.test(entry) && entry.toUpperCase() !== 'NULL') return entry
  return `"${entry.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

it('reads every list of texts', () => {
  const entry = fc.oneof(
    fc.constant(null),
    fc.string({ unit: fc.constantFrom('a', '"', '\\', ',', '{', '}', ' ', '\n') }),
  )
  fc.assert(
    fc.property(fc.array(entry), (list) => {
      expect(arrayColumn(`{${list.map(written).join(',')}}`)).toEqual(list)
    }),
  )
})
