import { expect, it } from 'vitest'
import { masked, presentable } from './masked.ts'

it('makes the same run of two days equal', () => {
  const [one, other] = [
    'create events__2026_03  2026-03-01..2026-04-01  12 ms\nserver 127.0.0.1:5432, process 412, 8 kB',
    'create events__2027_11  2027-11-01..2027-12-01  3.5 s\nserver 127.0.0.1:41017, process 9, 8 kB',
  ]
  expect(masked(one)).toBe(masked(other))
})

it('sees a date that comes twice where it should not', () => {
  expect(masked('from 2026-03-01 to 2026-04-01')).not.toBe(masked('from 2026-03-01 to 2026-03-01'))
  expect(masked('events__2026_03 events__2026_04')).not.toBe(masked('events__2026_03 events__2026_03'))
})

it('sees other words, numbers and sizes', () => {
  expect(masked('3 created, 8 kB')).not.toBe(masked('2 created, 8 kB'))
  expect(masked('3 created, 8 kB')).not.toBe(masked('3 created, 16 kB'))
  expect(masked('done')).not.toBe(masked('refused'))
})

it('takes runs of blanks as one', () => {
  expect(masked('a   b  \n')).toBe(masked('a b'))
})

it('takes times of day as when something happened, and midnights as bounds', () => {
  expect(masked('at 2026-03-01 22:30 and 2026-03-01T22:31:05.123456Z')).toBe('at <time> and <time>')
  expect(masked("('2026-03-01 00:00:00+00') to 2026-03-01")).toBe("('<date 1>') to <date 2>")
  expect(masked('now 2026-03-01 22:30 ▲')).toBe(masked('▲ now 2026-03-02 09:12'))
})

it('names the database of a page in the line that says where a command looked, and nowhere else', () => {
  const line = 'test_0123456789abcdef on 127.0.0.1:41017 as postgres'
  expect(presentable(`${line}\n\napp.events`)).toBe('shop on 127.0.0.1:5432 as shop_owner\n\napp.events')
  expect(presentable(`-- ${line}`)).toBe('-- shop on 127.0.0.1:5432 as shop_owner')
  expect(presentable('other on 127.0.0.1:5432 as postgres')).toBe('other on 127.0.0.1:5432 as postgres')
  expect(presentable(`see ${line}`)).toBe(`see ${line}`)
})
