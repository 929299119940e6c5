import { formatTableName, type TableName } from '../index.ts'

/**
 * The bare name of a partition in its parent's schema, given bare or with that schema, as findings print it.
 *
 * After the schema, quotes are those of SQL. Anything else is the name as it stands, dots included.
 */
export function partitionNamed(given: string, { schema }: TableName): string {
  const quotedSchema = formatTableName({ schema, name: 'a' }).slice(0, -1)
  const prefix = [quotedSchema, `${schema}.`].find((one) => given.startsWith(one) && given !== one)
  if (prefix === undefined) return given
  const name = given.slice(prefix.length)
  return /^"(?:[^"]|"")+"$/.test(name) ? name.slice(1, -1).replaceAll('""', '"') : name
}
