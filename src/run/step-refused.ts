import type { Refusal } from '../sql/statement.ts'

/** A guard or an answer found at run time said no; the transaction was rolled back and nothing was changed by it. */
export class StepRefused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}
