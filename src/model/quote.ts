import { PartitionError } from '../errors.ts'
import type { TableName } from './table-name.ts'

/**
 * The only place that puts quotes around text meant for PostgreSQL.
 *
 * All functions are right for every setting of `standard_conforming_strings`, and refuse what a server could only
 * cut or alter, because a silently changed name is the name of another table.
 */

/** NAMEDATALEN - 1: PostgreSQL cuts longer names silently. */
export const maxIdentifierBytes = 63

const encoder = new TextEncoder()

/** Renders an identifier in double quotes; throws `PartitionError` where PostgreSQL could not keep it as it is. */
export function quoteIdentifier(identifier: string): string {
  const text = storable(identifier, 'identifier')
  if (text === '') {
    throw new PartitionError(
      'An identifier is empty. PostgreSQL has no empty names; give it at least one character.',
    )
  }
  const bytes = encoder.encode(text).length
  if (bytes > maxIdentifierBytes) {
    throw new PartitionError(
      `The identifier ${JSON.stringify(text)} takes ${bytes} bytes and PostgreSQL keeps ${maxIdentifierBytes}: ` +
        'it would be cut and could then name another table. Choose a shorter name.',
    )
  }
  return `"${text.replaceAll('"', '""')}"`
}

/** Renders a string literal in single quotes, as `E''` where it holds a backslash; throws `PartitionError` on NUL. */
export function quoteLiteral(text: string): string {
  const doubled = storable(text, 'text').replaceAll("'", "''")
  return doubled.includes('\\') ? `E'${doubled.replaceAll('\\', '\\\\')}'` : `'${doubled}'`
}

function storable(text: string, what: 'identifier' | 'text'): string {
  // Types do not hold what comes out of JSON, and anything but a string would be spliced in unquoted.
  if (typeof text !== 'string') {
    throw new PartitionError(
      `An ${what === 'text' ? 'SQL text' : what} must be a string and is ${typeof text}.`,
    )
  }
  const at = text.indexOf('\0')
  if (at >= 0) {
    throw new PartitionError(
      `The ${what} ${JSON.stringify(text)} has a NUL character at position ${at}. ` +
        'PostgreSQL cannot store NUL in any name or text; remove it.',
    )
  }
  if (/\p{Surrogate}/u.test(text)) {
    throw new PartitionError(
      `The ${what} ${JSON.stringify(text)} holds half of a surrogate pair, which has no UTF-8 form: ` +
        'it would reach PostgreSQL as another character. Repair the text.',
    )
  }
  return text
}

/** Always in quotes and with its schema. */
export function quoteTable({ schema, name }: TableName): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}
