/** Reads a list in a column that a query of ours made with `json_agg(..)::text`, or one inside of it; NULL is the empty list. */
export function jsonColumn<T>(value: unknown, read: (entry: JsonObject) => T): readonly T[] {
  return jsonList(value).map((entry) => read(isObject(entry) ? entry : {}))
}

/** The texts of a list that was read already, or of a column that is one. */
export function jsonTexts(value: unknown): readonly string[] {
  return jsonList(value).filter((entry) => typeof entry === 'string')
}

/** Whole numbers of a list that was read already, or of a column that is one. */
export function jsonNumbers(value: unknown): readonly number[] {
  return jsonList(value).filter((entry) => typeof entry === 'number')
}

/** The same for what `json_object_agg(number, text)` made, by number. */
export function jsonNumbered(value: unknown): ReadonlyMap<number, string> {
  const object: unknown = typeof value === 'string' ? JSON.parse(value) : undefined
  if (!isObject(object)) return new Map()
  return new Map(Object.entries(object).map(([number, text]) => [Number(number), String(text)]))
}

export type JsonObject = Readonly<Record<string, unknown>>

/** The member as text; empty where the query gave none. */
export function member(entry: JsonObject, name: string): string {
  const value = entry[name]
  return typeof value === 'string' ? value : ''
}

function jsonList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (typeof value !== 'string') return []
  const list: unknown = JSON.parse(value)
  return Array.isArray(list) ? list : []
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null
}
