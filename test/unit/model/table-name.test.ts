import { describe, expect, it } from 'vitest'
import { formatTableName } from '../../../src/model/table-name.ts'

const shown = (name: string): string => formatTableName({ schema: 'app', name })

describe('formatTableName', () => {
  it('quotes what capitals and other characters need quotes for, and nothing else', () => {
    expect(shown('events__2026_01')).toBe('app.events__2026_01')
    expect(shown('_a$1')).toBe('app._a$1')
    expect(shown('Events')).toBe('app."Events"')
    expect(shown('1st')).toBe('app."1st"')
    expect(shown('a.b')).toBe('app."a.b"')
    expect(shown('a"b')).toBe('app."a""b"')
    expect(shown('größe')).toBe('app."größe"')
    expect(shown('')).toBe('app.""')
  })

  it('leaves reserved words as they are: it is for people, and no part of a statement', () => {
    expect(formatTableName({ schema: 'user', name: 'order' })).toBe('user.order')
  })

  it('gives different names different texts', () => {
    expect(formatTableName({ schema: 'a', name: 'b.c' })).not.toBe(
      formatTableName({ schema: 'a.b', name: 'c' }),
    )
  })
})
