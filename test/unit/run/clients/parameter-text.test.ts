import { describe, expect, it } from 'vitest'
import { PartitionError } from '../../../../src/errors.ts'
import { parameterText } from '../../../../src/run/clients/parameter-text.ts'

describe('parameterText', () => {
  it.each([
    ['text as it is', `it's "so" \\ {x}`, `it's "so" \\ {x}`],
    ['a number', 1.5, '1.5'],
    ['a bigint', 9_223_372_036_854_775_807n, '9223372036854775807'],
    ['a boolean', false, 'false'],
    ['a date', new Date('2026-01-01T00:00:00.123Z'), '2026-01-01T00:00:00.123Z'],
    ['bytes', Uint8Array.of(0, 255), '\\x00ff'],
    ['a list', ['a', 'b,c', '{}', `"\\`, '', 'NULL', null], `{"a","b,c","{}","\\"\\\\","","NULL",NULL}`],
    ['a list of lists', [[1], [2]], '{{"1"},{"2"}}'],
    ['null', null, null],
    ['undefined', undefined, null],
  ])('writes %s as PostgreSQL reads it', (_, value, text) => {
    expect(parameterText(value)).toBe(text)
  })

  it.each([{}, Symbol('x'), () => undefined])('refuses what has no text', (value) => {
    expect(() => parameterText(value)).toThrow(PartitionError)
  })
})
