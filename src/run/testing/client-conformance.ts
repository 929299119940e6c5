import type { DatabaseClient } from '../client.ts'
import { casesOfOneSession } from './client-cases.ts'
import { casesOfSeveralSessions } from './client-session-cases.ts'
import type { ConformanceCase } from './conformance-case.ts'
import { mustEqual, soon } from './conformance-case.ts'

export interface ClientFixture {
  readonly client: DatabaseClient
  dispose(this: void): Promise<void>
}

export interface ClientConformanceOptions {
  /** Called anew for every case. The role must be allowed to make temporary tables and to end its own sessions. */
  create(): Promise<ClientFixture>
  /** Whether two connections are two sessions; without it the cases that need two are left out. Default true. */
  readonly concurrentSessions?: boolean
}

/** What every `DatabaseClient` must do, for any test runner: `for (const { name, run } of cases) test(name, run)`. */
export function clientConformance(options: ClientConformanceOptions): readonly ConformanceCase[] {
  const { concurrentSessions = true } = options
  const chosen = { ...casesOfOneSession, ...(concurrentSessions ? casesOfSeveralSessions : {}) }
  return Object.entries(chosen).map(([name, check]) => ({
    name,
    run: async () => {
      const { client, dispose } = await options.create()
      try {
        mustEqual(
          client.capabilities.concurrentSessions,
          concurrentSessions,
          'capabilities.concurrentSessions',
        )
        await soon(check(client), `end of the case "${name}"`)
      } finally {
        await dispose()
      }
    },
  }))
}
