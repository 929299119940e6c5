import { createHash } from 'node:crypto'

/**
 * JSON with sorted keys, so that equal values have equal text; a bigint is a string.
 *
 * Written out, because it is made of each table of a fleet in each run: JSON.stringify with a function that sorts takes
 * three times as long.
 */
export function canonicalJson(value: unknown): string {
  return textOf(value) ?? 'null'
}

/** Undefined for what JSON has no word for, which objects leave out. */
function textOf(value: unknown): string | undefined {
  if (typeof value === 'bigint') return `"${value}"`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((entry) => textOf(entry) ?? 'null').join(',')}]`
  if (hasOwnJson(value)) return textOf(value.toJSON())
  const members = Object.keys(value)
    .sort()
    .flatMap((name) => {
      const text = textOf(Reflect.get(value, name))
      return text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]
    })
  return `{${members.join(',')}}`
}

function hasOwnJson(value: object): value is { toJSON(): unknown } {
  return 'toJSON' in value && typeof value.toJSON === 'function'
}

/** The first 32 hexadecimal digits of the SHA-256 of a text. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32)
}
