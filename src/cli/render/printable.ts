import { formatTableName, type TableName } from '../../index.ts'

// oxlint-disable-next-line no-control-regex -- Control characters are what it is about.
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

/** Writes control characters out, line ends excepted: a table's name must not drive the terminal. */
export function printable(text: string): string {
  return text.replaceAll(controls, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

/** The name of a partition for people: without the schema where that is its parent's. */
export function partitionText(partition: TableName, parent: TableName): string {
  const whole = tableText(partition)
  if (partition.schema !== parent.schema) return whole
  const schema = tableText({ schema: partition.schema, name: 'a' }).slice(0, -1)
  return whole.slice(schema.length)
}

/** A table's name for people, on one line. */
export function tableText(table: TableName): string {
  return printable(formatTableName(table)).replaceAll('\n', '\\n')
}
