import { formatTableName, type RangeText, type TableName } from '../../index.ts'
import { listed } from './listed.ts'

/** A sentence about a table. */
export interface Said {
  readonly message: string
  readonly relation?: TableName | undefined
  readonly range?: RangeText | undefined
}

/** Sentences that say the same of one table after another, with the first in front. */
export interface Alike<A> {
  readonly first: A
  /** The tables of the others. */
  readonly others: readonly TableName[]
  /** Whether all say the same, but for the names; otherwise a time or a number differs. */
  readonly exactly: boolean
}

/**
 * Puts those together that say the same of different tables, each where its first one stands.
 *
 * `rest` is what must be equal besides. Moments, ages and numbers of attempts may differ.
 */
export function groupAlike<A>(
  items: readonly A[],
  said: (item: A) => Said,
  rest: (item: A) => string,
): readonly Alike<A>[] {
  const groups = new Map<string, { first: A; exact: string; others: TableName[]; exactly: boolean }>()
  for (const [index, item] of items.entries()) {
    const about = said(item)
    const exact = withoutNames(about)
    const key = about.relation ? `${rest(item)}\n${withoutFigures(exact)}` : `alone ${index}`
    const group = groups.get(key)
    if (group && about.relation) {
      group.others.push(about.relation)
      group.exactly &&= exact === group.exact
    } else {
      groups.set(key, { first: item, exact, others: [], exactly: true })
    }
  }
  return [...groups.values()]
}

/** The sentence after that of the first one; nothing where there are no others. */
export function othersText({ others, exactly }: Pick<Alike<unknown>, 'others' | 'exactly'>): string {
  if (others.length === 0) return ''
  const list = listed(others.map(formatTableName), mostNamed)
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
