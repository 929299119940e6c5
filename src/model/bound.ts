import { visible } from './visible.ts'

/** One end of a range in one key column. MINVALUE is not `-infinity` and MAXVALUE is not `infinity`. */
export type BoundEdge =
  | { readonly kind: 'minvalue' }
  | { readonly kind: 'maxvalue' }
  /** `text` is the literal without its quotes, as the key's type prints it. */
  | { readonly kind: 'value'; readonly text: string }

/** Which rows a partition takes. A range holds `from` and not `to`, with one edge for each column of the key. */
export type Bound =
  | { readonly kind: 'range'; readonly from: readonly BoundEdge[]; readonly to: readonly BoundEdge[] }
  /** A null among the values is the NULL key; the text `NULL` is a string like any other. */
  | { readonly kind: 'list'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'hash'; readonly modulus: number; readonly remainder: number }
  | { readonly kind: 'default' }

/**
 * Whether two bounds are written with the same values.
 *
 * The order and repetition of list values do not count, the spelling of a value does: false can also mean one value
 * spelled in two ways (`1.0` and `1.00`, or one instant in two offsets), so bounds of times are compared as instants.
 */
export function sameBound(a: Bound, b: Bound): boolean {
  if (a.kind === 'range') return b.kind === 'range' && sameEdges(a.from, b.from) && sameEdges(a.to, b.to)
  if (a.kind === 'list') return b.kind === 'list' && sameValues(new Set(a.values), new Set(b.values))
  if (a.kind === 'hash') return b.kind === 'hash' && a.modulus === b.modulus && a.remainder === b.remainder
  return a.kind === b.kind
}

/** Renders a bound for people, on one line: `[2026-01-01, 2026-02-01)`, `in (eu, us, null)`, `default`. */
export function describeBound(bound: Bound): string {
  if (bound.kind === 'range') return `[${describeEdges(bound.from)}, ${describeEdges(bound.to)})`
  if (bound.kind === 'list') return `in (${bound.values.map(describeValue).join(', ')})`
  if (bound.kind === 'hash') return `modulus ${bound.modulus}, remainder ${bound.remainder}`
  return bound.kind
}

function sameEdges(a: readonly BoundEdge[], b: readonly BoundEdge[]): boolean {
  return a.length === b.length && a.every((edge, index) => sameEdge(edge, b[index]))
}

function sameEdge(a: BoundEdge, b: BoundEdge | undefined): boolean {
  if (a.kind !== 'value') return a.kind === b?.kind
  return b?.kind === 'value' && a.text === b.text
}

function sameValues(a: ReadonlySet<string | null>, b: ReadonlySet<string | null>): boolean {
  return a.size === b.size && [...a].every((value) => b.has(value))
}

function describeEdges(edges: readonly BoundEdge[]): string {
  const texts = edges.map((edge) => (edge.kind === 'value' ? describeValue(edge.text) : edge.kind))
  return texts.length === 1 ? texts.join('') : `(${texts.join(', ')})`
}

const plainValue = /^[\p{L}\p{N}_+-][\p{L}\p{N}\p{M}_ .:+/@-]*$/u
const reservedWord = /^(null|minvalue|maxvalue)$/i

/** Values from the catalog reach terminals and logs, so quotes, line ends and control characters are escaped. */
function describeValue(text: string | null): string {
  if (text === null) return 'null'
  if (plainValue.test(text) && !reservedWord.test(text) && !text.endsWith(' ')) return text
  return visible(JSON.stringify(text))
}
