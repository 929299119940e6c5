/** Reads a column that a query of ours made with `json_agg(..)::text`; NULL is the empty list. */
export function jsonColumn<T>(value: unknown, read: (entry: JsonObject) => T): readonly T[] {
  return jsonList(value).map((entry) => read(isObject(entry) ? entry : {}))
}

/** The same for a list of texts. */
export function jsonTexts(value: unknown): readonly string[] {
  return jsonList(value).filter((entry) => typeof entry === 'string')
}

export type JsonObject = Readonly<Record<string, unknown>>

/** The member as text; empty where the query gave none. */
export function member(entry: JsonObject, name: string): string {
  const value = entry[name]
  return typeof value === 'string' ? value : ''
}

function jsonList(value: unknown): readonly unknown[] {
  if (typeof value !== 'string') return []
  const list: unknown = JSON.parse(value)
  return Array.isArray(list) ? list : []
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null
}
