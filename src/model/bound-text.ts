import { PartitionError } from '../errors.ts'
import type { Bound, BoundEdge } from './bound.ts'
import { quoteLiteral } from './quote.ts'

/**
 * Reads the bound that `pg_get_expr(relpartbound, 0)` prints; undefined where anything at all is not as expected.
 *
 * The text must have been read with `standard_conforming_strings = on`: with `off` PostgreSQL prints `a\b` as
 * `'a\\b'`, which `on` prints for another value, and nothing in the text tells the two apart.
 */
export function parseBound(text: string): Bound | undefined {
  const plain = plainRange.exec(text)
  if (plain) {
    const [, from = '', to = ''] = plain
    return { kind: 'range', from: [{ kind: 'value', text: from }], to: [{ kind: 'value', text: to }] }
  }
  const tokens = tokenize(text)
  if (tokens === undefined) return undefined
  const cursor = new Cursor(tokens)
  const bound = readBound(cursor)
  return cursor.atEnd ? bound : undefined
}

/** A range of one quoted column, as nearly all are: there is nothing to take apart in it. */
const plainRange = /^FOR VALUES FROM \('([^'\\]*)'\) TO \('([^'\\]*)'\)$/

/**
 * Writes a bound as it stands in DDL: `FOR VALUES FROM (..) TO (..)`, `FOR VALUES IN (..)`, `FOR VALUES WITH (..)`
 * or `DEFAULT`. Every value is a quoted literal, which PostgreSQL reads as the type of its key column.
 */
export function formatBound(bound: Bound): string {
  if (bound.kind === 'range') return `FOR VALUES FROM ${formatEdges(bound.from)} TO ${formatEdges(bound.to)}`
  if (bound.kind === 'list') return `FOR VALUES IN (${bound.values.map(formatListValue).join(', ')})`
  if (bound.kind === 'hash') return `FOR VALUES WITH (${formatHash(bound)})`
  if (bound.kind === 'default') return 'DEFAULT'
  // A bound out of a file can be anything, and must not become the DEFAULT partition for want of a better reading.
  throw new PartitionError(
    `A bound of the kind ${JSON.stringify(Object(bound).kind)} cannot be written as DDL.`,
  )
}

function formatEdges(edges: readonly BoundEdge[]): string {
  return `(${edges.map((edge) => (edge.kind === 'value' ? quoteLiteral(edge.text) : edgeWords[edge.kind])).join(', ')})`
}

const edgeWords = { minvalue: 'MINVALUE', maxvalue: 'MAXVALUE' } as const

function formatListValue(value: string | null): string {
  return value === null ? 'NULL' : quoteLiteral(value)
}

function formatHash({ modulus, remainder }: Extract<Bound, { readonly kind: 'hash' }>): string {
  if (!isHash(modulus, remainder)) {
    throw new PartitionError(
      `A hash bound needs whole numbers with 0 <= remainder < modulus; it has modulus ${JSON.stringify(modulus)} ` +
        `and remainder ${JSON.stringify(remainder)}.`,
    )
  }
  return `modulus ${modulus}, remainder ${remainder}`
}

function isHash(modulus: number, remainder: number): boolean {
  return (
    Number.isSafeInteger(modulus) && Number.isSafeInteger(remainder) && 0 <= remainder && remainder < modulus
  )
}

/** A bare MINVALUE is a word and a quoted one a string: the kind of the token keeps what the quotes meant. */
interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'mark'
  readonly text: string
}

interface Lexed {
  readonly token: Token
  readonly end: number
}

function tokenize(text: string): readonly Token[] | undefined {
  const tokens: Token[] = []
  for (let at = 0; at < text.length;) {
    if (text.startsWith(' ', at)) {
      at += 1
      continue
    }
    const lexed = lex(text, at)
    if (lexed === undefined) return undefined
    tokens.push(lexed.token)
    at = lexed.end
  }
  return tokens
}

const runs = { word: /[A-Za-z]+/y, number: /\d+(?:\.\d+)?/y } as const

function lex(text: string, at: number): Lexed | undefined {
  if (text.startsWith("'", at)) return lexString(text, at + 1, false)
  if (text.startsWith("E'", at)) return lexString(text, at + 2, true)
  const character = text.charAt(at)
  if ('(),'.includes(character)) return { token: { kind: 'mark', text: character }, end: at + 1 }
  return lexRun('word', text, at) ?? lexRun('number', text, at)
}

function lexRun(kind: 'word' | 'number', text: string, at: number): Lexed | undefined {
  const run = runs[kind]
  run.lastIndex = at
  const found = run.exec(text)?.[0]
  return found === undefined ? undefined : { token: { kind, text: found }, end: at + found.length }
}

/** Reads from behind the opening quote to the closing one. A backslash means something in an `E''` string alone. */
function lexString(text: string, start: number, escapes: boolean): Lexed | undefined {
  let value = ''
  let from = start
  for (let at = start; at < text.length; at += 1) {
    const character = text.charAt(at)
    if (character === "'" && text.charAt(at + 1) !== "'") {
      return { token: { kind: 'string', text: value + text.slice(from, at) }, end: at + 1 }
    }
    if (character !== "'" && !(escapes && character === '\\')) continue
    // Doubled quotes, and the doubled backslashes that we write ourselves; no other escape is guessed at.
    if (text.charAt(at + 1) !== character) return undefined
    value += text.slice(from, at + 1)
    at += 1
    from = at + 1
  }
  return undefined
}

class Cursor {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get atEnd(): boolean {
    return this.#at === this.#tokens.length
  }

  next(): Token | undefined {
    const token = this.#tokens[this.#at]
    if (token !== undefined) this.#at += 1
    return token
  }

  /** Steps over the given words and marks, in this order; false where something else stands there. */
  skip(...expected: readonly string[]): boolean {
    return expected.every((text) => {
      const token = this.next()
      return token !== undefined && token.text === text && (token.kind === 'word' || token.kind === 'mark')
    })
  }
}

function readBound(cursor: Cursor): Bound | undefined {
  const first = cursor.next()
  if (first?.kind !== 'word') return undefined
  if (first.text === 'DEFAULT') return { kind: 'default' }
  if (first.text !== 'FOR' || !cursor.skip('VALUES')) return undefined
  const word = cursor.next()
  if (word?.kind !== 'word') return undefined
  if (word.text === 'FROM') return readRange(cursor)
  if (word.text === 'IN') return readListBound(cursor)
  return word.text === 'WITH' ? readHash(cursor) : undefined
}

function readRange(cursor: Cursor): Bound | undefined {
  const from = readParenthesized(cursor, readEdge)
  if (from === undefined || !cursor.skip('TO')) return undefined
  const to = readParenthesized(cursor, readEdge)
  return to?.length === from.length ? { kind: 'range', from, to } : undefined
}

function readListBound(cursor: Cursor): Bound | undefined {
  const values = readParenthesized(cursor, readListValue)
  return values && { kind: 'list', values }
}

function readHash(cursor: Cursor): Bound | undefined {
  if (!cursor.skip('(', 'modulus')) return undefined
  const modulus = readWhole(cursor)
  if (!cursor.skip(',', 'remainder')) return undefined
  const remainder = readWhole(cursor)
  return cursor.skip(')') && isHash(modulus, remainder) ? { kind: 'hash', modulus, remainder } : undefined
}

function readParenthesized<T>(
  cursor: Cursor,
  read: (token: Token | undefined) => T | undefined,
): readonly T[] | undefined {
  if (!cursor.skip('(')) return undefined
  const items: T[] = []
  for (;;) {
    const item = read(cursor.next())
    if (item === undefined) return undefined
    items.push(item)
    const separator = cursor.next()
    if (separator?.kind !== 'mark' || separator.text === '(') return undefined
    if (separator.text === ')') return items
  }
}

function readEdge(token: Token | undefined): BoundEdge | undefined {
  if (token?.kind === 'word' && token.text === 'MINVALUE') return { kind: 'minvalue' }
  if (token?.kind === 'word' && token.text === 'MAXVALUE') return { kind: 'maxvalue' }
  const text = readValue(token)
  return text === undefined ? undefined : { kind: 'value', text }
}

function readListValue(token: Token | undefined): string | null | undefined {
  return token?.kind === 'word' && token.text === 'NULL' ? null : readValue(token)
}

/** int4, numeric and bool are printed bare, every other type and every negative number in quotes. */
function readValue(token: Token | undefined): string | undefined {
  if (token?.kind === 'word') return token.text === 'true' || token.text === 'false' ? token.text : undefined
  return token?.kind === 'string' || token?.kind === 'number' ? token.text : undefined
}

function readWhole(cursor: Cursor): number {
  const token = cursor.next()
  return token?.kind === 'number' && !token.text.includes('.') ? Number(token.text) : NaN
}
