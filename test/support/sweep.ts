import type { CrashScenario } from './crash-scenarios.ts'
import { crashScenarios } from './crash-scenarios.ts'
import { majors } from './database.ts'

export interface Sweep {
  readonly scenarios: readonly CrashScenario[]
  /** Whether something is done at this statement. */
  includes(text: string, scenario: CrashScenario): boolean
}

const sample = ['create with rows of the range in DEFAULT', 'detach, concurrently', 'drop with foreign keys']

/** Before or after a question nothing is different than before or after the statement beside it. */
const any = /^(?!SELECT)/
const changing = /^(LOCK|ALTER|COMMIT|CREATE|DROP)/

/**
 * What of a sweep over the statements is done on a server: all but questions on the newest, and on the others what locks,
 * changes or ends something, in three of the scenarios.
 *
 * What lies between the changes of a run with several operations is covered by the scenarios of the single ones.
 */
export function sweepFor(major: number): Sweep {
  const isNewest = major === Math.max(...majors)
  return {
    scenarios: isNewest ? crashScenarios : crashScenarios.filter(({ name }) => sample.includes(name)),
    includes: (text, { operations }) => (isNewest && operations.length <= 2 ? any : changing).test(text),
  }
}
