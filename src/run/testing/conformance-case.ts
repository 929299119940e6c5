import { randomBytes } from 'node:crypto'
import { within } from '../within.ts'

/** One requirement of a contract, to be run by any test runner. */
export interface ConformanceCase {
  /** What is required, as a sentence. */
  readonly name: string
  /** Rejects with an error whose message says what was wrong. */
  readonly run: () => Promise<void>
}

/** Throws the sentence unless the condition holds. */
export function must(condition: boolean, sentence: string): asserts condition {
  if (!condition) throw new Error(sentence)
}

export function mustEqual(actual: unknown, expected: unknown, what: string): void {
  const [is, wanted] = [JSON.stringify(actual), JSON.stringify(expected)]
  must(is === wanted, `${what} is ${is} and should be ${wanted}.`)
}

/** What the work rejects with. */
export async function rejectionOf(work: Promise<unknown>, what: string): Promise<unknown> {
  let value: unknown
  try {
    value = await work
  } catch (error) {
    return error
  }
  throw new Error(`${what} should have been refused, and gave ${JSON.stringify(value)}.`)
}

/** Waits for something that must come soon, so that a missing answer is a failure and not a test that hangs. */
export function soon<T>(work: Promise<T>, what: string): Promise<T> {
  return within(work, { ms: 20_000, what })
}

/** Asks until the answer is yes. */
export async function until(ask: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while (!(await ask())) {
    must(performance.now() < deadline, `${what} did not happen within 20 seconds.`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** A name that no other run of the suite uses. */
export function freshName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`
}
