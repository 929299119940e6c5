import { InvalidPartitionConfigError, PartitionError } from '../index.ts'
import { CommandError } from './command-error.ts'
import { hidePasswords } from './redact.ts'

/** Takes passwords out of a text. */
export type Hide = (text: string) => string

/** An error as data: a stable code and the sentence. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly problems?: readonly { readonly path: readonly (string | number)[]; readonly message: string }[]
}

/** Describes any error without its stack and without a password. */
export function failureOf(error: unknown, hide: Hide = (text) => hidePasswords(text)): Failure {
  return {
    code: error instanceof PartitionError || error instanceof CommandError ? error.code : 'unexpected',
    message: sentenceOf(error, hide),
    ...(error instanceof InvalidPartitionConfigError && {
      problems: error.problems.map(({ path, message }) => ({
        path,
        message: hide(message),
      })),
    }),
  }
}

/** The sentence for a person; what was not thrown on purpose is said to be unexpected. */
export function sentenceOf(error: unknown, hide: Hide = (text) => hidePasswords(text)): string {
  const message = hide(textOf(error))
  if (error instanceof PartitionError || error instanceof CommandError) return message
  return `Something unexpected happened: ${message.replace(/\.?$/, '.')} With --verbose the place in the program is shown; please report it.`
}

function textOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(textOf).join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.message === '' ? error.name : error.message
}
