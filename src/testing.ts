/** Conformance suites for your own lock managers and database clients, for any test runner. */

export type { ConformanceCase } from './run/testing/conformance-case.ts'
export {
  clientConformance,
  type ClientConformanceOptions,
  type ClientFixture,
} from './run/testing/client-conformance.ts'
export {
  lockConformance,
  type LockConformanceOptions,
  type LockFixture,
} from './run/testing/lock-conformance.ts'
