import { describe, expect, it } from 'vitest'
import { alignColumns, alignWithin, displayWidth, flow, wrap } from '../../../../src/cli/render/columns.ts'
import { edgesOf, formatEdge } from '../../../../src/cli/render/moment.ts'
import { partitionText, printable, tableText } from '../../../../src/cli/render/printable.ts'
import {
  counted,
  formatChosenSpan,
  formatSize,
  formatSpan,
  formatTook,
} from '../../../../src/cli/render/quantities.ts'

describe('columns', () => {
  it('are aligned by what the eye sees, and left out where they are empty', () => {
    expect(
      alignColumns(
        [
          ['a', '', '1', 'x'],
          ['\u001b[31mlonger\u001b[39m', '', '22', ''],
          ['💥漢', '', '333', 'y'],
        ],
        { indent: '> ', right: [2] },
      ),
    ).toEqual(['> a         1  x', '> \u001b[31mlonger\u001b[39m   22', '> 💥漢    333  y'])
    expect(alignColumns([])).toEqual([])
  })

  it('break at the first cut that makes them fit, all at the same one', () => {
    const rows = [
      ['one', 'two', '3'],
      ['a', 'bcdef', '10'],
    ]
    const within = (columns: number): readonly (readonly string[])[] =>
      alignWithin(rows, { right: [2], columns, cuts: [2, 1], rest: '  ' })
    expect(within(14)).toEqual([['one  two     3'], ['a    bcdef  10']])
    expect(within(13)).toEqual([
      ['one  two', '   3'],
      ['a    bcdef', '  10'],
    ])
    expect(
      alignWithin([...rows, ['b', 'longer than that', '']], { columns: 11, cuts: [2, 1], rest: '  ' }),
    ).toEqual([
      ['one', '  two  3'],
      ['a', '  bcdef  10'],
      ['b', '  longer', '  than that'],
    ])
    expect(flow(['a', 'bb', 'ccc'], { indent: ' ', columns: 6 })).toEqual([' a  bb', ' ccc'])
  })

  it('count emoji and CJK as two, and combining marks as nothing', () => {
    expect(displayWidth('events')).toBe(6)
    expect(displayWidth('e\u0301vents')).toBe(6)
    expect(displayWidth('👩‍👩‍👧 x')).toBe(4)
    expect(displayWidth('表')).toBe(2)
  })

  it('wrap sentences at spaces and keep long words whole', () => {
    expect(wrap('one two three four', { first: '- ', columns: 10 })).toEqual([
      '- one two',
      '  three',
      '  four',
    ])
    expect(wrap('a verylongwordindeed b', { first: '', columns: 8 })).toEqual([
      'a',
      'verylongwordindeed',
      'b',
    ])
    expect(wrap('one\ntwo', { first: '> ', rest: '. ', columns: 20 })).toEqual(['> one', '. two'])
  })
})

describe('numbers', () => {
  it('are sizes, counts and spans that people read', () => {
    expect([0, 1_023, 1_024, 8_192, 1_258_291, 1_048_575, 5e9, 7e15].map(formatSize)).toEqual([
      '0 B',
      '1023 B',
      '1 kB',
      '8 kB',
      '1.2 MB',
      '1 MB',
      '4.7 GB',
      '6.2 PB',
    ])
    expect([counted(0, 'finding'), counted(1, 'finding'), counted(12_000, 'row')]).toEqual([
      'no findings',
      '1 finding',
      '12,000 rows',
    ])
    expect(
      [0, 1, 119, 120, 7_200, 172_800, 86_400 * 62, 86_400 * 365 * 4].map(seconds).map(formatSpan),
    ).toEqual([
      '0 seconds',
      '1 second',
      '119 seconds',
      '2 minutes',
      '2 hours',
      '2 days',
      '62 days',
      '3 years',
    ])
    expect([86_400 * 7, 3_600 * 36, 90 * 60, 45].map(seconds).map(formatChosenSpan)).toEqual([
      '7 days',
      '36 hours',
      '90 minutes',
      '45 seconds',
    ])
    expect(formatChosenSpan(1_500_000n)).toBe('1.5 seconds')
    expect([3, 999, 1_400, 59_900, 200_000].map(formatTook)).toEqual([
      '3 ms',
      '999 ms',
      '1.4 s',
      '59.9 s',
      '3 min 20 s',
    ])
  })
})

describe('edges of a bound', () => {
  it('are dates at midnight of their zone, and otherwise as exact as they are', () => {
    expect(formatEdge('2026-03-28 23:00:00+00', 'Europe/Berlin')).toBe('2026-03-29')
    expect(formatEdge('2026-03-29 22:00:00+00', 'Europe/Berlin')).toBe('2026-03-30')
    expect(formatEdge('2026-03-29 00:00:00+00', 'Asia/Kolkata')).toBe('2026-03-29 05:30+05:30')
    expect(formatEdge('2026-03-29 10:00:01.25+00', 'UTC')).toBe('2026-03-29 10:00:01.25')
    expect(formatEdge('2026-03-29 00:00:00', 'Europe/Berlin')).toBe('2026-03-29')
    expect(formatEdge('2026-03-29 08:30:00', 'Europe/Berlin')).toBe('2026-03-29 08:30')
    expect(formatEdge('2026-03-29', 'Europe/Berlin')).toBe('2026-03-29')
    expect(formatEdge('0044-03-15 00:00:00+00 BC', 'UTC')).toBe('0044-03-15 00:00:00+00 BC')
    expect(formatEdge('infinity', 'UTC')).toBe('infinity')
    expect(formatEdge('294276-12-31 00:00:00+00', 'UTC')).toContain('294276-12-31')
  })

  it('are found in a range of one column alone', () => {
    expect(edgesOf(`FOR VALUES FROM (MINVALUE) TO ('2026-01-01')`)).toEqual({
      from: 'MINVALUE',
      to: '2026-01-01',
    })
    expect(edgesOf(`FOR VALUES FROM ('1', '2') TO ('3', '4')`)).toBeUndefined()
    expect(edgesOf('DEFAULT')).toBeUndefined()
    expect(edgesOf('nonsense')).toBeUndefined()
    expect(edgesOf(undefined)).toBeUndefined()
  })
})

describe('names', () => {
  it('have their control characters written out and stay on one line', () => {
    expect(printable('a\u001b[31mb\u202e\tc\nd')).toBe(String.raw`a\u{1b}[31mb\u{202e}\u{9}c` + '\nd')
    expect(tableText({ schema: 'app', name: 'two\nlines' })).toBe(String.raw`app."two\nlines"`)
  })

  it('of partitions leave out the schema of their parent', () => {
    const parent = { schema: 'My app', name: 'events' }
    expect(partitionText({ schema: 'My app', name: 'a' }, parent)).toBe('a')
    expect(partitionText({ schema: 'archive', name: 'a' }, parent)).toBe('archive.a')
  })
})

function seconds(count: number): bigint {
  return BigInt(count) * 1_000_000n
}
