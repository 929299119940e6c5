import { PartitionError } from '../../errors.ts'

/**
 * A query parameter in PostgreSQL's text form, so that every driver sends the same bytes.
 *
 * Drivers that look up a parameter's type convert by it: postgres.js cuts microseconds from a timestamp given as text
 * and sends the text 'true' as false.
 */
export function parameterText(value: unknown): string | null {
  if (value === null || value === undefined) return null
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`
  if (Array.isArray(value)) return `{${value.map(arrayElement).join(',')}}`
  throw new PartitionError(
    `A query parameter is ${typeof value}. Pass text, a number, a boolean, a Date, bytes, an array of these, or null.`,
  )
}

function arrayElement(value: unknown): string {
  if (Array.isArray(value)) return parameterText(value) ?? 'NULL'
  const text = parameterText(value)
  return text === null ? 'NULL' : `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}
