import type { Refusal } from '../sql/statement.ts'

/**
 * A statement that cannot be undone was done to another table than the one that was looked at: a schema was renamed in
 * that moment.
 */
export class WrongTable extends Error {}

/** A guard or an answer found at run time said no; the transaction was rolled back and nothing was changed by it. */
export class StepRefused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}
