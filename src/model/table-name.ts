/** The name of a relation: schema and name apart, exactly as `pg_class` spells them, never one dotted string. */
export interface TableName {
  readonly schema: string
  readonly name: string
}

const plain = /^[a-z_][a-z0-9_$]*$/

/**
 * Renders a name for people and as a map key: `app.events`, with quotes where capitals or other characters need them.
 *
 * A word that SQL reserves stays as it is, so this is no text for a statement: `quoteIdentifier` makes that.
 */
export function formatTableName({ schema, name }: TableName): string {
  return `${formatIdentifier(schema)}.${formatIdentifier(name)}`
}

export function sameTable(a: TableName, b: TableName): boolean {
  return a.schema === b.schema && a.name === b.name
}

function formatIdentifier(identifier: string): string {
  return plain.test(identifier) ? identifier : `"${identifier.replaceAll('"', '""')}"`
}
