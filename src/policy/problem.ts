import type * as z from 'zod'
import type { ConfigProblem } from '../errors.ts'
import { nearest } from './suggest.ts'

/** A problem, with what it is about: the key itself (it is not known), or the value that it has or lacks. */
export interface LocatedProblem extends ConfigProblem {
  readonly at: 'key' | 'value'
}

/** Renders where a problem is, for people: `tables[0].granularity`. */
export function formatPath(path: readonly (string | number)[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(part)) text += text === '' ? part : `.${part}`
    else text += `[${JSON.stringify(part)}]`
  }
  return text
}

/** Says what a value is, for the end of "Expected a whole number, got .."; long texts are cut. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') {
    return `the text ${JSON.stringify(value.length > 80 ? `${value.slice(0, 79)}…` : value)}`
  }
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return typeof value === 'bigint' ? `${value}n` : kindOf(value)
}

/** Says what kind of value it is, where the value itself may be a secret. */
export function kindOf(value: unknown): string {
  if (value === null) return 'nothing (null)'
  return Array.isArray(value) ? 'a list' : kinds[typeof value]
}

const kinds = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  bigint: 'a number',
  object: 'an object',
  function: 'a function',
  symbol: 'a symbol',
  undefined: 'nothing (undefined)',
} as const

/** The sentence for a value of another kind, or for one that is missing. */
export function expected(what: string, value: unknown): string {
  return value === undefined
    ? `It is missing: expected ${what}.`
    : `Expected ${what}, got ${describeValue(value)}.`
}

/** The sentence for one problem after `single`, or a line for each of several after `several`. */
export function sayProblems(
  problems: readonly ConfigProblem[],
  { single, several }: { readonly single: string; readonly several: string },
): string {
  const lines = problems.map(({ path, message }) =>
    path.length === 0 ? message : `${formatPath(path)}: ${message}`,
  )
  return lines.length === 1
    ? `${single} ${lines.join('')}`
    : [`${several} ${lines.length} problems:`, ...lines.map((line) => `  ${line}`)].join('\n')
}

/** Words that other tools and languages have for our options. */
const otherWords: Readonly<Record<string, string>> = {
  column: 'partitionColumn',
  control: 'partitionColumn',
  dsn: 'connection',
  interval: 'granularity',
  key: 'partitionColumn',
  keep: 'retentionCount',
  name: 'tableName',
  period: 'granularity',
  premake: 'createAheadCount',
  retention: 'retentionCount',
  table: 'tableName',
  tz: 'timeZone',
  url: 'connection',
}

/**
 * One sentence for each unknown key, one a line, in the order of the keys.
 *
 * A key cannot add a line: it is quoted as JSON.
 */
export function unknownKeys(
  keys: readonly string[],
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>>,
): string {
  return keys.map((key) => `There is no option ${JSON.stringify(key)} here; ${hint(key)}`).join('\n')

  function hint(key: string): string {
    const place = Object.hasOwn(elsewhere, key) ? elsewhere[key] : undefined
    if (place !== undefined) return `${place}.`
    const word = key.toLowerCase()
    const other = Object.hasOwn(otherWords, word) ? otherWords[word] : undefined
    const meant = other !== undefined && known.includes(other) ? other : nearest(key, known)
    return meant === undefined
      ? `the options are ${known.join(', ')}.`
      : `did you mean ${JSON.stringify(meant)}?`
  }
}

/** Turns what the schema found into problems: one for each unknown key, and none said twice. */
export function problemsOf(error: z.ZodError | undefined): readonly LocatedProblem[] {
  const problems: LocatedProblem[] = []
  for (const issue of error?.issues ?? []) {
    const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
    if (issue.code === 'unrecognized_keys') {
      const sentences = issue.message.split('\n')
      for (const [index, key] of issue.keys.entries()) {
        problems.push({ path: [...path, key], message: sentences[index] ?? issue.message, at: 'key' })
      }
    } else {
      problems.push({ path, message: issue.message, at: 'value' })
    }
  }
  const seen = new Set<string>()
  return problems.filter(({ path, message }) => {
    const identity = JSON.stringify([path, message])
    return seen.has(identity) ? false : seen.add(identity)
  })
}
