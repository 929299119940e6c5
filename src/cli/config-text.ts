import {
  type Document,
  LineCounter,
  type Node,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  visit,
} from 'yaml'
import type { LocatedProblem } from '../index.ts'
import type { FileProblem, Position } from './config-file-error.ts'
import { findJsonFault } from './json-fault.ts'

/** A value read from a text, which can tell where in the text each part of it stands. */
export interface LocatedValue {
  readonly value: unknown
  positionOf(problem: Pick<LocatedProblem, 'path' | 'at'>): Position | undefined
}

export type TextReading = LocatedValue | { readonly problems: readonly FileProblem[] }

/** Reads YAML 1.2. Everything that could be taken for something else than was meant is a problem. */
export function readYaml(text: string): TextReading {
  const { document, lines } = parse(text)
  const problems = [
    ...document.errors.map(({ code, message, pos }) => ({
      message: yamlSentence(code, message),
      offset: pos[0],
    })),
    ...document.warnings.map(({ message, pos }) => ({ message: `${message}.`, offset: pos[0] })),
    ...unknownAliases(document),
  ].map(({ message, offset }) => ({ path: [], message, position: lines.at(offset) }))
  if (problems.length > 0) return { problems: onePerPlace(problems) }
  if (document.contents === null) return { problems: [{ path: [], message: 'The file is empty.' }] }
  try {
    return located(document.toJS(), document, lines)
  } catch (error) {
    // What is left is an alias that would expand to more than memory holds.
    return { problems: [{ path: [], message: `${error instanceof Error ? error.message : String(error)}.` }] }
  }
}

/** Reads JSON as strictly as `JSON.parse` does, and besides refuses a key that is given twice. */
export function readJson(text: string): TextReading {
  // YAML takes all of JSON, so its reader knows the places of a text that is JSON.
  const { document, lines } = parse(text)
  const fault = findJsonFault(text)
  if (fault !== undefined) {
    return { problems: [{ path: [], message: fault.message, position: lines.at(fault.offset) }] }
  }
  const twice = document.errors.filter(({ code }) => code === 'DUPLICATE_KEY')
  if (twice.length > 0) {
    return {
      problems: twice.map(({ pos }) => ({ path: [], message: duplicateKey, position: lines.at(pos[0]) })),
    }
  }
  return located(JSON.parse(text), document, lines)
}

interface Lines {
  at(offset: number): Position
}

function parse(text: string): { readonly document: Document; readonly lines: Lines } {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false })
  const at = (offset: number): Position => {
    const { line, col } = counter.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  return { document, lines: { at } }
}

const duplicateKey = 'This key is given twice. Keep one of them.'

function yamlSentence(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'A tab indents this line, and YAML takes only spaces there.'
  if (code === 'DUPLICATE_KEY') return duplicateKey
  if (code === 'MULTIPLE_DOCS') return 'A second YAML document begins here. Keep one document in the file.'
  return `This is not YAML: ${message}.`
}

function unknownAliases(
  document: Document,
): readonly { readonly message: string; readonly offset: number }[] {
  const found: { readonly message: string; readonly offset: number }[] = []
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) !== undefined) return
      found.push({
        message: `There is no anchor &${alias.source} before this.`,
        offset: alias.range?.[0] ?? 0,
      })
    },
  })
  return found
}

/** One broken line makes the parser complain several times in a row about the same place. */
function onePerPlace(problems: readonly FileProblem[]): readonly FileProblem[] {
  const seen = new Map<string, FileProblem>()
  for (const problem of problems) {
    const place = `${problem.position?.line}:${problem.position?.column}`
    if (!seen.has(place)) seen.set(place, problem)
  }
  return [...seen.values()]
}

function located(value: unknown, document: Document, lines: Lines): LocatedValue {
  return {
    value,
    positionOf: ({ path, at }) => {
      const offset = offsetOf(document, path, at)
      return offset === undefined ? undefined : lines.at(offset)
    },
  }
}

/** Where the key or the value at a path begins; for what is not there, where the nearest thing around it begins. */
function offsetOf(
  document: Document,
  path: readonly (string | number)[],
  at: 'key' | 'value',
): number | undefined {
  let node: Node | null = document.contents
  let offset = startOf(node)
  for (const [index, part] of path.entries()) {
    const found = entryOf(isAlias(node) ? (node.resolve(document) ?? null) : node, part)
    if (found === undefined) return offset
    const wantsKey = at === 'key' && index === path.length - 1
    // A key without a value has nothing else to point at.
    const start = wantsKey || isEmpty(found.value) ? startOf(found.key) : startOf(found.value)
    offset = start ?? offset
    node = found.value
  }
  return offset
}

interface Entry {
  readonly key: Node | null
  readonly value: Node | null
}

function entryOf(node: Node | null, part: string | number): Entry | undefined {
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(part))
    return pair && { key: asNode(pair.key), value: asNode(pair.value) }
  }
  if (!isSeq(node) || typeof part !== 'number') return undefined
  const item = node.items[part]
  return item === undefined ? undefined : { key: asNode(item), value: asNode(item) }
}

function asNode(value: unknown): Node | null {
  return isNode(value) ? value : null
}

function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.source === '')
}

function startOf(node: Node | null): number | undefined {
  return node?.range?.[0]
}
