import { type MaintenanceResult, PartitionError } from '../index.ts'
import { type ExitCode, worstOf } from './exit-code.ts'
import { exitCodeOfError, exitCodeOfRun } from './failure-code.ts'
import { wrap } from './render/columns.ts'
import { renderFindings } from './render/findings.ts'
import { printable } from './render/printable.ts'
import { counted } from './render/quantities.ts'
import type { Page } from './render/style.ts'

/** What came of one of the things that were asked for by name. */
export interface Attempted {
  readonly result: MaintenanceResult
}

/** Those before one that ended it were done all the same. Gives what ended it. */
export async function tryEach<T>(items: readonly T[], attempt: (item: T) => Promise<void>): Promise<unknown> {
  for (const item of items) {
    try {
      await attempt(item)
    } catch (error) {
      if (error instanceof PartitionError) return error
      throw error
    }
  }
  return undefined
}

/** `error` is what ended them, where something did. */
export function exitCodeOfAttempts(attempts: readonly Attempted[], error: unknown): ExitCode {
  return worstOf([
    error === undefined ? 0 : exitCodeOfError(error),
    ...attempts.map(({ result }) => exitCodeOfRun(result, undefined, { okIfLocked: false, gated: false })),
  ])
}

/** Each with what is wrong with it, and the findings of all of them. */
export function renderAttempts<A extends Attempted>(
  attempts: readonly A[],
  page: Page,
  says: {
    readonly done: (attempt: A) => string
    readonly undone: string
    readonly subject: (attempt: A) => string
  },
): readonly string[] {
  const { style, columns } = page
  const issues = attempts.flatMap(({ result }) => result.issues.map(({ message }) => message))
  // What keeps one from being done is said once.
  const findings = attempts
    .flatMap(({ result }) => result.findings)
    .filter(({ message }) => issues.every((issue) => !issue.includes(message)))
  return [
    ...attempts.flatMap((attempt) => [
      `  ${attempt.result.success ? style.good(says.done(attempt)) : style.danger(says.undone)}  ${says.subject(attempt)}`,
      ...attempt.result.issues.flatMap(({ message }) => wrap(printable(message), { first: '    ', columns })),
    ]),
    '',
    ...renderFindings(findings, page),
  ]
}

/** `Attached 2 tables. 1 table was not attached.` */
export function closingOfAttempts(
  attempts: readonly Attempted[],
  {
    wanted,
    changed,
    what,
    did,
  }: {
    readonly wanted: number
    /** How many of them changed something. */
    readonly changed: number
    readonly what: string
    /** The verb in the past, such as `attached`. */
    readonly did: string
  },
): string {
  const failed = wanted - attempts.filter(({ result }) => result.success).length
  return [
    changed === 0
      ? 'Nothing was changed.'
      : `${did.charAt(0).toUpperCase()}${did.slice(1)} ${counted(changed, what)}.`,
    ...(failed === 0 ? [] : [`${counted(failed, what)} ${failed === 1 ? 'was' : 'were'} not ${did}.`]),
  ].join(' ')
}

/** `  and 3 rows moved out of DEFAULT into it`, or nothing. */
export function rowsMovedText(rows = 0): string {
  return rows === 0 ? '' : `  and ${counted(rows, 'row')} moved out of DEFAULT into it`
}
