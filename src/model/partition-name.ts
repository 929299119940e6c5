import { createHash } from 'node:crypto'
import { PartitionError } from '../errors.ts'

/** PostgreSQL cuts longer names off without an error (`NAMEDATALEN` - 1). */
export const LONGEST_NAME_IN_BYTES = 63

const HASH_DIGITS = 10

/** How many bytes a name takes in UTF-8. */
export function byteLength(name: string): number {
  return Buffer.byteLength(name, 'utf8')
}

/**
 * Names a partition `<table>__<label>`, in at most 63 bytes.
 *
 * When that is too long, the table's part is cut and ends in a hash of the whole table name, so that two long names with
 * the same beginning stay apart. The label is never cut: throws a `PartitionError` when it leaves no room for the table.
 */
export function partitionName(tableName: string, label: string): string {
  if (label === '') throw new PartitionError(`A partition of ${tableName} needs a label that is not empty.`)
  const name = `${tableName}__${label}`
  if (byteLength(name) <= LONGEST_NAME_IN_BYTES) return name
  const hash = createHash('sha256').update(tableName, 'utf8').digest('hex').slice(0, HASH_DIGITS)
  const tail = `_${hash}__${label}`
  const head = cutToBytes(tableName, LONGEST_NAME_IN_BYTES - byteLength(tail))
  if (head === '') {
    throw new PartitionError(
      `"${label}" is too long for the name of a partition of ${tableName}: ` +
        `a name has ${LONGEST_NAME_IN_BYTES} bytes. Shorten the label.`,
    )
  }
  return head + tail
}

function cutToBytes(text: string, room: number): string {
  let end = 0
  let used = 0
  for (const character of text) {
    used += byteLength(character)
    if (used > room) break
    end += character.length
  }
  return text.slice(0, end)
}
