import { PartitionError } from '../errors.ts'
import { quoteIdentifier, quoteLiteral } from '../model/quote.ts'
import type { TableName } from '../model/table-name.ts'

/**
 * SQL text that was built here and nowhere else.
 *
 * The private field makes the type nominal and cannot be forged at run time, so a plain string is never taken for SQL.
 */
class SqlText {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  static read(this: void, part: SqlText | undefined): string {
    if (typeof part === 'object' && part !== null && #text in part) return part.#text
    throw new PartitionError(
      `A part of a statement is ${typeof part} and not SQL. ` +
        'Wrap a name in ident() or qualified() and a value in literal(); nothing else becomes part of a statement.',
    )
  }
}

export type Sql = SqlText

/**
 * Builds SQL from constant text and parts: sql`COMMENT ON TABLE ${qualified(table)} IS ${literal(comment)}`.
 *
 * Throws `PartitionError` where a part stands inside quotes, a comment or a dollar-quoted body.
 */
export function sql(strings: TemplateStringsArray, ...parts: readonly Sql[]): Sql {
  checkTemplate(strings)
  return new SqlText(
    strings.map((text, index) => (index === 0 ? text : SqlText.read(parts[index - 1]) + text)).join(''),
  )
}

/** An identifier, or a dotted path of them, each in double quotes; more than 63 bytes are refused. */
export function ident(...path: readonly [string, ...string[]]): Sql {
  return new SqlText(path.map(quoteIdentifier).join('.'))
}

/** The full name of a relation, so that `search_path` plays no part. */
export function qualified(name: TableName): Sql {
  return ident(name.schema, name.name)
}

/** A string literal, or NULL; right whatever `standard_conforming_strings` is. */
export function literal(text: string | null): Sql {
  return new SqlText(text === null ? 'NULL' : quoteLiteral(text))
}

/** Takes text as SQL without a look at it. Only for constants and for text that the model has written itself. */
export function trustedSql(text: string): Sql {
  return new SqlText(text)
}

/** A whole number; anything else is refused, whatever its declared type. */
export function wholeNumber(value: number): Sql {
  if (Number.isSafeInteger(value)) return new SqlText(String(value))
  throw new PartitionError(`A part of a statement must be a whole number and is ${JSON.stringify(value)}.`)
}

/** Puts a separator between parts; with no parts the result is empty. */
export function join(parts: readonly Sql[], separator: Sql): Sql {
  return new SqlText(parts.map(SqlText.read).join(SqlText.read(separator)))
}

/** The text to send to the server. */
export function toText(statement: Sql): string {
  return SqlText.read(statement)
}

const checked = new WeakSet<TemplateStringsArray>()

/** Every text between two parts must close what it opens, so that no part stands where its own quotes would end others. */
function checkTemplate(strings: TemplateStringsArray): void {
  if (checked.has(strings)) return
  for (const text of strings) {
    const open = openAtEnd(text)
    if (open !== undefined) {
      throw new PartitionError(
        `The SQL text ${JSON.stringify(text)} leaves ${open} open. Parts of a statement bring their own quotes: ` +
          'put them outside of quotes, comments and dollar-quoted bodies.',
      )
    }
  }
  checked.add(strings)
}

const closed = /'[^']*'|"[^"]*"|--[^\n]*\n|\/\*[^]*?\*\/|(?<tag>\$(?:[A-Za-z_]\w*)?\$)[^]*?\k<tag>/
const left = /(?<open>['"]|--|\/\*|\$(?:[A-Za-z_]\w*)?\$)/
const regions = new RegExp(`${closed.source}|${left.source}`, 'g')

function openAtEnd(text: string): string | undefined {
  for (const { groups } of text.matchAll(regions)) {
    const open = groups?.['open']
    if (open === "'") return 'single quotes'
    if (open === '"') return 'double quotes'
    if (open !== undefined) return open.startsWith('$') ? 'a dollar-quoted body' : 'a comment'
  }
  return undefined
}
