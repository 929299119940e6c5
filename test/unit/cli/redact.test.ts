import { describe, expect, it } from 'vitest'
import { hidePasswords } from '../../../src/cli/redact.ts'

describe('hidePasswords', () => {
  it.each([
    ['see postgres://me:hunter2@host:5432/db for more', 'see postgres://me:***@host:5432/db for more'],
    ['postgresql://me:p@ss:w/o?r#d@host/db', 'postgresql://me:***@host/db'],
    ['"postgres://me:hunter2@host/db"', '"postgres://me:***@host/db"'],
    ['redis://:hunter2@host:6379', 'redis://:***@host:6379'],
    [
      'two: postgres://a:x1@h/d and postgres://b:x2@h/d',
      'two: postgres://a:***@h/d and postgres://b:***@h/d',
    ],
    ['host=h password=hunter2 user=me', 'host=h password=*** user=me'],
    ["password = 'hunter 2\\' x' user=me", 'password = *** user=me'],
    [
      'postgres://me@host/db?sslpassword=hunter2&sslmode=require',
      'postgres://me@host/db?sslpassword=***&sslmode=require',
    ],
    ['PGPASSWORD=hunter2 psql', 'PGPASSWORD=*** psql'],
  ])('knows where a password stands: %s', (text, safe) => {
    expect(hidePasswords(text)).toBe(safe)
  })

  it.each([
    ['postgres://me@host:5432/db'],
    ['password authentication failed for user "me"'],
    ['read at 12:30 from me@example.org'],
    ['https://example.org/a:b'],
  ])('leaves %s as it is', (text) => {
    expect(hidePasswords(text, ['hunter2'])).toBe(text)
  })

  it('hides given passwords in every way they are written', () => {
    const secret = 'a "b"/ü%'
    for (const written of [secret, encodeURIComponent(secret), encodeURI(secret), JSON.stringify(secret)]) {
      expect(hidePasswords(`before ${written} after`, [secret])).toMatch(/^before "?\*\*\*"? after$/)
    }
  })

  it('hides a short password where it stands alone, and leaves the words that hold it', () => {
    expect(hidePasswords('table data: at, "at" (at)', ['at'])).toBe('table data: ***, "***" (***)')
    expect(hidePasswords('everything', [''])).toBe('everything')
  })

  it('hides a long password inside other words too', () => {
    expect(hidePasswords('xhunter2secretx', ['hunter2secret'])).toBe('x***x')
  })

  it('takes no password for a pattern', () => {
    expect(hidePasswords('a.c abc a.c', ['a.c'])).toBe('*** abc ***')
    expect(hidePasswords('(x)+[y]$ {z}|^-/\\', ['(x)+[y]$ {z}|^-/\\'])).toBe('***')
  })
})
