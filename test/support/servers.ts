/** Global setup: one embedded PostgreSQL of each major version for the whole run. */

import type { TestProject } from 'vitest/node'
import { startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import type { ServerMajor } from '../../src/cli/embedded/binaries.ts'

export interface TestServer {
  readonly major: ServerMajor
  /** A superuser's URL of the database `postgres`. */
  readonly url: string
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly testServers: readonly TestServer[]
  }
}

const supported: readonly ServerMajor[] = [15, 16, 17, 18]

/** All of them, or those that `PARTSMITH_TEST_MAJORS` names: `18` or `15,18`. */
function wantedMajors(): readonly ServerMajor[] {
  const named = process.env['PARTSMITH_TEST_MAJORS']
  if (named === undefined || named === '') return supported
  return named.split(',').map((text) => {
    const major = supported.find((candidate) => String(candidate) === text.trim())
    if (major === undefined) {
      throw new Error(`PARTSMITH_TEST_MAJORS is ${named}; it takes a list of ${supported.join(', ')}.`)
    }
    return major
  })
}

export default async function startServers(project: TestProject): Promise<() => Promise<void>> {
  const servers = await Promise.all(
    wantedMajors().map((major) => startEmbeddedServer({ major, settings: { max_connections: '200' } })),
  )
  project.provide(
    'testServers',
    servers.map(({ major, url }) => ({ major, url })),
  )
  return async () => {
    await Promise.all(servers.map((server) => server.stop()))
  }
}
