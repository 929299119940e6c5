import { formatTableName, type RangeText, type TableName } from '../../index.ts'
import { listed } from './listed.ts'

/** A sentence about a table. */
export interface Said {
  readonly message: string
  readonly relation?: TableName | undefined
  readonly range?: RangeText | undefined
}

/** Sentences that say the same of one table or period after another, with the first in front. */
export interface Alike<A> {
  readonly first: A
  /** The tables of the others, or their periods where the table is the same. */
  readonly others: readonly string[]
  /** Whether all say the same, but for the names; otherwise a time or a number differs. */
  readonly exactly: boolean
}

/**
 * Puts those together that say the same of different tables, or of different periods of one table, each where its first
 * one stands.
 *
 * `rest` is what must be equal besides. Moments, ages and numbers of attempts may differ.
 */
export function groupAlike<A>(
  items: readonly A[],
  said: (item: A) => Said,
  rest: (item: A) => string,
): readonly Alike<A>[] {
  const sentences = items.map((item, index) => sentenceOf(said(item), rest(item), index))
  const shared = new Set(timesSaid(sentences))
  const groups = new Map<string, Group<A>>()
  for (const [index, item] of items.entries()) {
    const sentence = sentences[index]
    if (!sentence) continue
    const { exact, table, period } = sentence
    // What is said of one table several times differs in the period, or in what only the whole sentence tells.
    const isOfOne = shared.has(sentence.ofTable)
    const key = !isOfOne ? sentence.key : period === '' ? `alone ${index}` : sentence.ofTable
    const group = groups.get(key)
    if (group) {
      group.others.push(isOfOne ? period : period === group.period ? table : `${table} (${period})`)
      group.exactly &&= exact === group.exact
    } else {
      groups.set(key, { first: item, exact, period, others: [], exactly: true })
    }
  }
  return [...groups.values()]
}

interface Group<A> {
  readonly first: A
  readonly exact: string
  readonly period: string
  readonly others: string[]
  exactly: boolean
}

interface Sentence {
  /** Without the names. */
  readonly exact: string
  readonly key: string
  /** The key together with the table. */
  readonly ofTable: string
  readonly table: string
  readonly period: string
}

function sentenceOf(about: Said, rest: string, index: number): Sentence {
  const { relation, range } = about
  const exact = withoutNames(about)
  const table = relation ? formatTableName(relation) : ''
  const key = relation ? `${rest}\n${withoutFigures(exact)}` : `alone ${index}`
  // A period that the sentence does not name is not missed.
  const isNamed = withoutNames({ ...about, relation: undefined }) !== about.message
  const period = range && isNamed ? `${range.from} to ${range.to}` : ''
  return { exact, key, ofTable: `${table}\n${key}`, table, period }
}

function timesSaid(sentences: readonly Sentence[]): readonly string[] {
  const seen = new Set<string>()
  return sentences.flatMap(({ ofTable }) => {
    if (seen.has(ofTable)) return [ofTable]
    seen.add(ofTable)
    return []
  })
}

/** The sentence after that of the first one; nothing where there are no others. */
export function othersText({ others, exactly }: Pick<Alike<unknown>, 'others' | 'exactly'>): string {
  if (others.length === 0) return ''
  const list = listed(others, mostNamed)
  return ` The same is true of ${list}${exactly ? '' : `, ${others.length === 1 ? 'with its' : 'each with its'} own time`}.`
}

const mostNamed = 3

function withoutNames({ message, relation, range }: Said): string {
  const names = [...(relation ? [formatTableName(relation)] : []), ...(range ? [range.from, range.to] : [])]
  return names.reduce((text, name) => text.replaceAll(name, '*'), message)
}

const figures = [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, /, \d+ times/g, /open for [\d.]+ s/g]

function withoutFigures(text: string): string {
  return figures.reduce((left, figure) => left.replaceAll(figure, ''), text)
}
