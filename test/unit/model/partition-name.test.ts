import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { PartitionError } from '../../../src/errors.ts'
import { byteLength, partitionName } from '../../../src/model/partition-name.ts'

describe('partitionName', () => {
  test('puts two underscores between table and label', () => {
    expect(partitionName('events', '2024_01_15')).toBe('events__2024_01_15')
    expect(partitionName('Größe der "Dinge"', '2024')).toBe('Größe der "Dinge"__2024')
  })

  test('leaves a name of exactly 63 bytes as it is and shortens one of 64', () => {
    const fits = partitionName('e'.repeat(51), '2024_01_15')
    expect(fits).toBe(`${'e'.repeat(51)}__2024_01_15`)
    expect(byteLength(fits)).toBe(63)
    expect(partitionName('e'.repeat(52), '2024_01_15')).toBe(`${'e'.repeat(40)}_75015a2b8a__2024_01_15`)
  })

  test('counts bytes, not characters, and cuts between characters', () => {
    const name = partitionName('ü'.repeat(31), '2024_01_15')
    expect(name).toMatch(/^ü{20}_[0-9a-f]{10}__2024_01_15$/)
    expect(byteLength(name)).toBe(63)
    expect(partitionName('😀'.repeat(15), '2024_w03')).toMatch(/^(?:😀){10}_[0-9a-f]{10}__2024_w03$/u)
  })

  test('keeps two long tables with the same beginning apart', () => {
    const table = 'x'.repeat(62)
    expect(partitionName(`${table}a`, '2024')).not.toBe(partitionName(`${table}b`, '2024'))
  })

  test('never exceeds 63 bytes, always ends in the whole label, and is never the same for two tables or two labels', () => {
    const table = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 63 })
      .filter((name) => byteLength(name) <= 63)
    const label = fc
      .stringMatching(/^[0-9a-z_]{1,24}$/)
      .filter((text) => !text.includes('__') && !/^_|_$/.test(text))
    fc.assert(
      fc.property(
        fc.uniqueArray(table, { minLength: 2, maxLength: 2 }),
        fc.uniqueArray(label, { minLength: 2 }),
        (tables, labels) => {
          const names = tables.flatMap((each) => labels.map((text) => partitionName(each, text)))
          expect(new Set(names).size).toBe(names.length)
          expect(names.filter((name) => byteLength(name) > 63)).toEqual([])
          expect(names.every((name, index) => name.endsWith(`__${labels[index % labels.length]}`))).toBe(true)
        },
      ),
    )
  })

  test('refuses a label that leaves no room for the table, and an empty one', () => {
    expect(partitionName('events'.repeat(11), 'x'.repeat(49))).toMatch(/^e_[0-9a-f]{10}__x{49}$/)
    expect(() => partitionName('events'.repeat(11), 'x'.repeat(50))).toThrow(PartitionError)
    expect(() => partitionName('events', 'x'.repeat(60))).toThrow('Shorten the label.')
    expect(() => partitionName('events', '')).toThrow(PartitionError)
  })
})
