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
