import { formatTableName, type TableName, visible } from '../../index.ts'

/** Writes control characters out, line ends excepted: a table's name must not drive the terminal. */
export function printable(text: string): string {
  return text.split('\n').map(visible).join('\n')
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
  return visible(formatTableName(table))
}
