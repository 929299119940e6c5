import * as z from 'zod'
import { durationProblem } from '../model/duration.ts'
import { LONGEST_NAME_IN_BYTES, byteLength } from '../model/partition-name.ts'
import { isTimeZone } from '../model/time-zone.ts'
import { expected, kindOf, unknownKeys } from './problem.ts'
import { nearest, nearestTimeZone } from './suggest.ts'

/** The kinds of value that an option can have, each with its sentences for what is not one. */

/** The `error` that most checks are given: what was expected, and what came instead. */
type Says = { readonly error: (issue: z.core.$ZodRawIssue) => string }

export function says(what: string): Says {
  return { error: ({ input }) => expected(what, input) }
}

export function text(what: string): z.ZodString {
  return z.string(says(what)).min(1, { error: `It is empty: expected ${what}.`, abort: true })
}

export function wholeNumber({ from, to }: { readonly from: number; readonly to?: number }): z.ZodInt {
  const what = says(
    to === undefined ? `a whole number of at least ${from}` : `a whole number from ${from} to ${to}`,
  )
  const atLeast = z.int(what).min(from, what)
  return to === undefined ? atLeast : atLeast.max(to, what)
}

export function flag(): z.ZodBoolean {
  return z.boolean(says('true or false'))
}

export function words<const Word extends string>(
  what: string,
  allowed: readonly Word[],
): z.ZodEnum<{ [K in Word]: K }> {
  return z.enum(allowed, {
    error: ({ input }) => {
      const known = allowed.map((word) => JSON.stringify(word)).join(', ')
      if (typeof input !== 'string') return expected(`${what} (${known})`, input)
      const meant = nearest(input, allowed)
      return meant === undefined
        ? `${JSON.stringify(input)} is not ${what}; it is one of ${known}.`
        : `${JSON.stringify(input)} is not ${what}; did you mean ${JSON.stringify(meant)}?`
    },
  })
}

/** A name as PostgreSQL keeps it. One that it would cut or alter is the name of something else. */
export function identifier(what: string): z.ZodString {
  return storableText(what).refine((name) => byteLength(name) <= LONGEST_NAME_IN_BYTES, {
    error: ({ input }) =>
      `${JSON.stringify(input)} takes ${byteLength(String(input))} bytes: PostgreSQL would silently cut it ` +
      `to ${LONGEST_NAME_IN_BYTES}, so nothing can have this name.`,
  })
}

/** A text that PostgreSQL can be given as it is. */
export function storableText(what: string): z.ZodString {
  return text(what).refine(isStorable, { error: ({ input }) => notStorable(String(input)) })
}

function isStorable(value: string): boolean {
  return !/\0|\p{Surrogate}/u.test(value)
}

function notStorable(value: string): string {
  return value.includes('\0')
    ? `${JSON.stringify(value)} has a NUL character, which PostgreSQL cannot store; remove it.`
    : `${JSON.stringify(value)} has half of a surrogate pair, which PostgreSQL cannot store; repair it.`
}

export function zone(): z.ZodString {
  return text('the name of a time zone').refine(isTimeZone, {
    error: ({ input }) => {
      const meant = nearestTimeZone(String(input))
      const hint =
        meant === undefined
          ? 'give an IANA name such as "Europe/Berlin"'
          : `did you mean ${JSON.stringify(meant)}?`
      return `There is no time zone ${JSON.stringify(input)}; ${hint}${meant === undefined ? '.' : ''}`
    },
  })
}

export function duration(): z.ZodString {
  return text('a length of time such as "7 days", or "never"').refine(
    (value) => value === 'never' || durationProblem(value) === undefined,
    { error: ({ input }) => `${durationProblem(String(input)) ?? ''} "never" keeps the table.` },
  )
}

/** An option that has one value in this version and is there to be checked. */
export function only<const Word extends string>(word: Word, refusal: string): z.ZodLiteral<Word> {
  return z.literal(word, {
    error: ({ input }) =>
      typeof input === 'string'
        ? refusal.replace('$', JSON.stringify(input))
        : expected(JSON.stringify(word), input),
  })
}

/** An object of options. `elsewhere` says of options that belong to another place where that is. */
export function strict<Shape extends z.core.$ZodLooseShape>(
  what: string,
  shape: Shape,
  elsewhere: Readonly<Record<string, string>> = {},
): z.ZodObject<Shape, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'unrecognized_keys') return unknownKeys(issue.keys, Object.keys(shape), elsewhere)
      // What stands in the place of an object may hold a password.
      return issue.input === undefined
        ? `It is missing: expected ${what}.`
        : `Expected ${what}, got ${kindOf(issue.input)}.`
    },
  })
}
