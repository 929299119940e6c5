/** A real PgBouncer in front of a test database. */

import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Pool } from 'pg'
import { describe, onTestFinished } from 'vitest'

import { serverIdentity } from '../../src/cli/embedded/identity.ts'
import type { ServerMajor, TestDatabase } from './database.ts'
import { majors } from './database.ts'
import { ownPool } from './own-pool.ts'
import { pgBouncerProgram, whyNoPgBouncer } from './pgbouncer-program.ts'
import { startOnFreePort } from './started-program.ts'

export interface PgBouncerOptions {
  /** @default 'transaction' */
  readonly poolMode?: 'session' | 'transaction' | 'statement'
  /** The most connections to the server. @default 10 */
  readonly poolSize?: number
  /** Who may log in, without a password. @default ['postgres'] */
  readonly users?: readonly string[]
  /** More lines of the section `[pgbouncer]`. */
  readonly settings?: Readonly<Record<string, string | number>>
}

export interface LaunchedPgBouncer {
  /** The database's URL through the pooler. */
  urlFor(this: void, user?: string): string
  /** Ends the pooler, and every connection through it. */
  stop(this: void): Promise<void>
}

export interface TestPooler extends LaunchedPgBouncer {
  /** A pool of connections to the pooler, which ends with the test. */
  pool(options?: { readonly user?: string; readonly max?: number }): Pool
}

/** Defines the same tests for every server; without PgBouncer they are skipped, and the end of the run says so. */
export function describeWithPgBouncer(name: string, define: (major: ServerMajor) => void): void {
  if (pgBouncerProgram === undefined && process.env['PARTSMITH_REQUIRE_PGBOUNCER'] === '1')
    throw new Error(`PARTSMITH_REQUIRE_PGBOUNCER is 1, but ${whyNoPgBouncer}.`)
  for (const major of majors) {
    // The end of the run counts the skipped tests by this word.
    describe.skipIf(pgBouncerProgram === undefined)(`${name} (PgBouncer, PostgreSQL ${major})`, () => {
      define(major)
    })
  }
}

/** Starts a PgBouncer that ends with the test. */
export async function startPgBouncer(
  database: TestDatabase,
  options: PgBouncerOptions = {},
): Promise<TestPooler> {
  const { urlFor, stop } = await launchPgBouncer(database, options)
  onTestFinished(stop)
  return {
    urlFor,
    pool: ({ user, max = 10 } = {}) => ownPool(database, { connectionString: urlFor(user), max }),
    stop,
  }
}

/** Starts a PgBouncer that somebody has to stop. */
export async function launchPgBouncer(
  database: TestDatabase,
  options: PgBouncerOptions = {},
): Promise<LaunchedPgBouncer> {
  // It refuses to run as root.
  const identity = serverIdentity()
  const folder = await mkdtemp(join(tmpdir(), 'partsmith-pgbouncer-'))
  const file = join(folder, 'pgbouncer.ini')
  const users = join(folder, 'users.txt')
  await writeFile(users, (options.users ?? ['postgres']).map((user) => `"${user}" ""\n`).join(''))
  const bouncer = await startOnFreePort({
    program: pgBouncerProgram ?? 'pgbouncer',
    args: async (port) => {
      await writeFile(file, configuration(database, { ...options, port, users }))
      if (identity) for (const path of [folder, file, users]) await chown(path, identity.uid, identity.gid)
      return [file]
    },
    isReady: (log) => log.includes('process up'),
    identity,
  })
  let stopped: Promise<void> | undefined
  return {
    urlFor: (user = 'postgres') => `postgres://${user}@127.0.0.1:${bouncer.port}/${database.name}`,
    stop: () => (stopped ??= bouncer.stop().then(() => rm(folder, { recursive: true, force: true }))),
  }
}

function configuration(
  { url, name }: TestDatabase,
  wanted: Omit<PgBouncerOptions, 'users'> & { readonly port: number; readonly users: string },
): string {
  const { hostname, port } = new URL(url)
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: wanted.port,
    unix_socket_dir: '',
    auth_type: 'trust',
    auth_file: wanted.users,
    pool_mode: wanted.poolMode ?? 'transaction',
    default_pool_size: wanted.poolSize ?? 10,
    ...wanted.settings,
  }
  return [
    '[databases]',
    `${name} = host=${hostname} port=${port}`,
    '[pgbouncer]',
    ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`),
    '',
  ].join('\n')
}
