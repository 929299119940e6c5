/** Fresh databases on the test servers, for test files in the folders whose tests get servers. */

import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { QueryResultRow } from 'pg'
import { afterAll, describe, inject } from 'vitest'
import { calmPool } from './calm-pool.ts'
import type { ServerMajor } from '../../src/cli/embedded/binaries.ts'

export type { ServerMajor } from '../../src/cli/embedded/binaries.ts'

export interface TestDatabase {
  readonly major: ServerMajor
  readonly name: string
  /** A superuser's URL of this database. */
  readonly url: string
  /** At most ten connections, in this database. */
  readonly pool: Pool
  /** Runs one statement, or without values a script, and gives the rows of the (last) result. */
  sql(text: string, values?: readonly unknown[]): Promise<readonly QueryResultRow[]>
  /** Closes the pool and drops the database, whoever is still connected. May be called more than once. */
  drop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

function testServers(): readonly { readonly major: ServerMajor; readonly url: string }[] {
  // Without this a file in the wrong folder would define no tests, and pass.
  const servers: ReturnType<typeof testServers> | undefined = inject('testServers')
  if (servers === undefined) {
    throw new Error(
      'This test file needs PostgreSQL and lies in a folder that is run without; vitest.config.ts lists which.',
    )
  }
  return servers
}

/** The major versions that this run tests. */
export const majors: readonly ServerMajor[] = testServers().map(({ major }) => major)

/** Defines the same tests once for every server of this run. */
export function describeEachServer(name: string, define: (major: ServerMajor) => void): void {
  for (const major of majors) {
    describe(`${name} (PostgreSQL ${major})`, () => {
      define(major)
    })
  }
}

const open = new Set<TestDatabase>()
const administrators = new Map<ServerMajor, Pool>()

// Registered for the file that imports this module.
afterAll(async () => {
  await Promise.all([...open].map((database) => database.drop()))
  await Promise.all([...administrators.values()].map((pool) => pool.end()))
  administrators.clear()
})

function administrator(major: ServerMajor, url: string): Pool {
  const existing = administrators.get(major)
  if (existing !== undefined) return existing
  const pool = calmPool({ connectionString: url, max: 1 })
  administrators.set(major, pool)
  return pool
}

/** Connections are cut on purpose, by tests and by the drop; the query that runs into it still fails. */

/**
 * Makes an empty database on the server of this major version (some 40 ms); it is dropped at the end of the test file
 * unless `drop` was called before.
 *
 * Roles and other things of the whole server are shared by all tests: give them names of their own (`uniqueName`).
 */
export async function createDatabase(major: ServerMajor): Promise<TestDatabase> {
  const server = testServers().find((candidate) => candidate.major === major)
  if (server === undefined) throw new Error(`PostgreSQL ${major} is not part of this run.`)
  const name = uniqueName('test')
  const url = new URL(server.url)
  url.pathname = `/${name}`
  const admin = administrator(major, server.url)
  await admin.query(`CREATE DATABASE ${name} TEMPLATE template0`)

  const pool = calmPool({ connectionString: url.href, max: 10 })
  let dropped: Promise<void> | undefined
  const drop = (): Promise<void> => (dropped ??= dropDatabase())
  async function dropDatabase(): Promise<void> {
    open.delete(database)
    // A client that a test still holds would keep `end` waiting; the forced drop cuts it.
    const held = pool.totalCount - pool.idleCount
    const ended = pool.ended ? Promise.resolve() : pool.end()
    if (held === 0) await ended
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  }
  const database: TestDatabase = {
    major,
    name,
    url: url.href,
    pool,
    sql: async (text, values) => {
      const result = values === undefined ? await pool.query(text) : await pool.query(text, [...values])
      // A script of several statements gives an array of results, which the types of pg do not tell.
      return [result].flat().at(-1)?.rows ?? []
    },
    drop,
    [Symbol.asyncDispose]: drop,
  }
  open.add(database)
  return database
}

/** A name that no other test uses: lower case, safe unquoted, under 30 bytes with a short prefix. */
export function uniqueName(prefix: string): string {
  return `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 16)}`
}
