import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import { nearest } from '../policy/suggest.ts'

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
