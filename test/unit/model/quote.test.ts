import { describe, expect, test } from 'vitest'

import { PartitionError } from '../../../src/errors.ts'
import { maxIdentifierBytes, quoteIdentifier, quoteLiteral } from '../../../src/model/quote.ts'

describe('quoteIdentifier', () => {
  test.each([
    ['events', '"events"'],
    ['select', '"select"'],
    ['Events', '"Events"'],
    ['a.b', '"a.b"'],
    ['say "hi"', '"say ""hi"""'],
    ['"', '""""'],
    ["it's", '"it\'s"'],
    ['a\\b', '"a\\b"'],
    ['100%', '"100%"'],
    ['$1', '"$1"'],
    [':name', '":name"'],
    ['what?', '"what?"'],
    ['line\nend', '"line\nend"'],
    ['🐘', '"🐘"'],
  ])('%j becomes %s', (identifier, quoted) => {
    expect(quoteIdentifier(identifier)).toBe(quoted)
  })

  test('takes exactly 63 bytes and refuses 64, counted in UTF-8', () => {
    for (const character of ['x', 'é', '€', '🐘']) {
      const size = Buffer.byteLength(character)
      const fits = character.repeat(Math.floor(maxIdentifierBytes / size))
      const exact = fits + 'x'.repeat(maxIdentifierBytes - Buffer.byteLength(fits))
      expect(quoteIdentifier(exact)).toBe(`"${exact}"`)
      expect(() => quoteIdentifier(`${exact}x`)).toThrow(/takes 64 bytes and PostgreSQL keeps 63/)
    }
  })

  test('refuses an empty name, NUL and half of a surrogate pair with a sentence', () => {
    expect(() => quoteIdentifier('')).toThrow(/empty/)
    expect(() => quoteIdentifier('a\0b')).toThrow(/NUL character at position 1/)
    expect(() => quoteIdentifier('a\ud83d')).toThrow(/surrogate pair/)
    expect(() => quoteIdentifier('a\0b')).toThrow(PartitionError)
  })
})

describe('quoteLiteral', () => {
  test.each([
    ['', "''"],
    ['plain', "'plain'"],
    ["it's", "'it''s'"],
    ["'", "''''"],
    ['say "hi"', '\'say "hi"\''],
    ['NULL', "'NULL'"],
    ['line\nend', "'line\nend'"],
    ['$1 :a ? %s', "'$1 :a ? %s'"],
    ['a\\b', "E'a\\\\b'"],
    ["\\'; DROP TABLE x; --", "E'\\\\''; DROP TABLE x; --'"],
  ])('%j becomes %s', (text, quoted) => {
    expect(quoteLiteral(text)).toBe(quoted)
  })

  test('refuses NUL and half of a surrogate pair', () => {
    expect(() => quoteLiteral('a\0')).toThrow(/The text "a\\u0000" has a NUL character at position 1/)
    expect(() => quoteLiteral('\udc18')).toThrow(/surrogate pair/)
  })

  test('refuses what is not a string, however it got there', () => {
    const fromJson: { readonly value: string } = JSON.parse('{"value": ["x\'); DROP TABLE y; --"]}')
    expect(() => quoteLiteral(fromJson.value)).toThrow(/must be a string and is object/)
  })
})
