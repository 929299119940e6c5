import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { nearest } from '../policy/suggest.ts'

/**
 * `There is app.events: set schema to "app" and tableName to "events". `, where the schema was written into the name;
 * otherwise a table that is near.
 */
export function whichTable(wanted: TableName, others: readonly TableName[]): string {
  if (!wanted.name.includes('.')) return didYouMean(wanted, others)
  const meant = others.find(
    (other) => wanted.name === `${other.schema}.${other.name}` || wanted.name === formatTableName(other),
  )
  if (!meant)
    return `The dot is a part of that name; a schema goes into schema. ${didYouMean(wanted, others)}`
  return `There is ${formatTableName(meant)}: set schema to ${JSON.stringify(meant.schema)} and tableName to ${JSON.stringify(meant.name)}. `
}

/** `Did you mean app.events? `: the same name in another schema, or a near one; empty where nothing is near. */
export function didYouMean(wanted: TableName, others: readonly TableName[]): string {
  const names = others.map(formatTableName)
  const bare = others.map(({ name }) => name)
  const near =
    names[bare.indexOf(wanted.name)] ??
    nearest(formatTableName(wanted), names) ??
    names[bare.indexOf(nearest(wanted.name, bare) ?? '')]
  return near === undefined ? '' : `Did you mean ${near}? `
}
