import { Client } from 'pg'
import { onTestFinished } from 'vitest'

import type { TestDatabase } from './database.ts'
import { uniqueName } from './database.ts'

export interface TestRole {
  readonly name: string
  /** The database's URL for this role. */
  readonly url: string
}

export interface RoleOptions {
  /** What an administrator SET for the role. */
  readonly settings?: Readonly<Record<string, string>>
  /** @default false */
  readonly superuser?: boolean
}

/** A login role of its own for a test; it ends with the test, and what it owns ends with the database. */
export async function createRole(
  { url, name: databaseName }: TestDatabase,
  { settings = {}, superuser = false }: RoleOptions = {},
): Promise<TestRole> {
  const name = uniqueName('role')
  // Roles are the server's, and the database may be gone before they are.
  const server = new URL(url)
  server.pathname = '/postgres'
  const administrator = new Client({ connectionString: server.href })
  await administrator.connect()
  await administrator.query(`CREATE ROLE ${name} LOGIN ${superuser ? 'SUPERUSER' : ''}`)
  for (const [setting, value] of Object.entries(settings)) {
    await administrator.query(`ALTER ROLE ${name} SET ${setting} = '${value}'`)
  }
  onTestFinished(async () => {
    await administrator.query(`DROP DATABASE IF EXISTS ${databaseName} WITH (FORCE)`)
    await administrator.query(`DROP ROLE ${name}`)
    await administrator.end()
  })
  const own = new URL(url)
  own.username = name
  return { name, url: own.href }
}
