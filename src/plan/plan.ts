import { PlanUnreadableError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import type { PlanBasis } from './basis.ts'
import { canonicalJson, digest } from './canonical.ts'
import type { Finding } from './finding.ts'
import type { Operation } from './operation.ts'

/** What was decided for one table: operations and findings, as plain data that survives JSON. */
export interface MaintenancePlan {
  readonly version: 1
  readonly table: TableName
  /** ISO instant of the server's clock (or the given one) that the plan was made for. */
  readonly plannedAt: string
  /** Changes with every setting that the decision rests on. */
  readonly configFingerprint: string
  /** What was read; a plan is refused when it no longer holds. */
  readonly basis: PlanBasis
  readonly operations: readonly Operation[]
  /**
   * What is due as well and waits for a detach that is pending, as far as is known before that is over; absent where
   * nothing does. It is planned anew then, and is no part of what is carried out.
   */
  readonly waiting?: readonly WaitingOperation[]
  readonly findings: readonly Finding[]
}

/** An operation that is not planned yet. */
export type WaitingOperation = Pick<Operation, 'kind' | 'id' | 'partition'>

/** Writes the plan as JSON with a checksum, so that a file that was cut short or edited is noticed. */
export function planToJson(plan: MaintenancePlan): string {
  return `${JSON.stringify({ ...plan, checksum: checksumOf(plan) }, null, 2)}\n`
}

/** Reads what `planToJson` wrote; anything else is refused with a sentence. */
export function planFromJson(text: string): MaintenancePlan {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new PlanUnreadableError(
      'The plan is not complete JSON: it was cut short or is another kind of file. Nothing was changed; save the plan again.',
      { cause },
    )
  }
  return planFromValue(value)
}

export function planFromValue(value: unknown): MaintenancePlan {
  if (typeof value !== 'object' || value === null || !('version' in value) || !('operations' in value)) {
    throw new PlanUnreadableError(
      'This is not a saved plan. Nothing was changed; make one with `plan --save FILE`.',
    )
  }
  if (value.version !== 1) {
    throw new PlanUnreadableError(
      `The plan has format ${String(value.version)} and this version reads format 1. Nothing was changed; plan again.`,
    )
  }
  if (!isSavedPlan(value)) {
    throw new PlanUnreadableError(
      'The plan was changed after it was saved: its checksum does not match. Nothing was changed; a plan is not edited, the configuration is. Plan again.',
    )
  }
  const { checksum: _checksum, ...plan } = value
  return plan
}

/** The checksum shows that `planToJson` wrote the value, so it has the shape of a plan. */
function isSavedPlan(value: object): value is MaintenancePlan & { readonly checksum: string } {
  const { checksum, ...plan } = { checksum: undefined, ...value }
  return checksum === checksumOf(plan)
}

function checksumOf(plan: object): string {
  return digest(canonicalJson(plan))
}
