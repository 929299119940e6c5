import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findJsonFault } from '../../../src/cli/json-fault.ts'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('findJsonFault', () => {
  it('finds nothing in what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, '\t'), (value, indent) => {
        expect(findJsonFault(JSON.stringify(value, null, indent))).toBeUndefined()
      }),
    )
  })

  it('agrees with JSON.parse on texts that were damaged in one place, and points into them', () => {
    const damage = fc.constantFrom(
      '',
      ',',
      ':',
      '"',
      '{',
      '}',
      '[',
      ']',
      '0',
      '-',
      '.',
      'e',
      '\\',
      '\n',
      'true',
      '\u0001',
      '\u00A0',
    )
    const damaged = fc
      .tuple(fc.jsonValue({ maxDepth: 2 }), fc.nat(), fc.nat(2), damage)
      .map(([value, at, cut, text]) => {
        const json = JSON.stringify(value)
        const place = at % (json.length + 1)
        return json.slice(0, place) + text + json.slice(place + cut)
      })
    fc.assert(
      fc.property(damaged, (text) => {
        const fault = findJsonFault(text)
        expect(fault === undefined).toBe(isJson(text))
        expect(fault?.offset ?? 0).toBeLessThanOrEqual(text.length)
      }),
      { numRuns: 2_000 },
    )
  })
})
