import { PGlite } from '@electric-sql/pglite'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DatabaseClient } from '../../src/run/client.ts'
import { fromPg } from '../../src/run/clients/pg.ts'
import { fromPglite } from '../../src/run/clients/pglite.ts'
import { fromPostgresJs } from '../../src/run/clients/postgres-js.ts'
import type { ClientConformanceOptions, ClientFixture } from '../../src/testing.ts'
import { clientConformance } from '../../src/testing.ts'
import { calmPool } from '../support/calm-pool.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

function itConforms(options: ClientConformanceOptions): void {
  it.each(clientConformance(options).map(({ name, run }) => [name, run] as const))('%s', async (_, run) => {
    await expect(run()).resolves.toBeUndefined()
  })
}

describeEachServer('clients conform', (major) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await createDatabase(major)
  })

  describe('a pg Pool', () => {
    itConforms({ create: async () => pgFixture(database.url) })
  })

  describe('postgres.js', () => {
    itConforms({ create: async () => postgresJsFixture(database.url) })
  })
})

describeEachServer('a client of an application with its own settings conforms', (major) => {
  let database: TestDatabase

  beforeAll(async () => {
    database = await createDatabase(major)
  })

  describe('a pg Pool with parsers and a query_timeout', () => {
    itConforms({ create: async () => pgFixture(database.url, { query_timeout: 50, types: meddling }) })
  })

  describe('postgres.js with types', () => {
    itConforms({ create: async () => postgresJsFixture(database.url, { types: { text: shouting } }) })
  })
})

describe('PGlite conforms', () => {
  let db: PGlite

  beforeAll(async () => {
    db = await PGlite.create()
  })
  afterAll(() => db.close())

  itConforms({
    create: async () => ({ client: fromPglite(db), dispose: async () => undefined }),
    concurrentSessions: false,
  })

  it('a connection is given to one caller at a time', async () => {
    const first = await fromPglite(db).connect()
    const order: string[] = []
    const second = fromPglite(db)
      .connect()
      .then((connection) => {
        order.push('second')
        return connection
      })
    await first.query('SELECT 1')
    order.push('first')
    await first.release()
    await (await second).release()
    expect(order).toEqual(['first', 'second'])
  })

  it('other users of the database take no part in a transaction', async () => {
    await db.exec('CREATE TABLE taken (value text)')
    const connection = await fromPglite(db).connect()
    await connection.query('BEGIN')
    const fromOutside = db.query(`INSERT INTO taken VALUES ('outside')`)
    await connection.query(`INSERT INTO taken VALUES ('inside')`)
    await connection.query('ROLLBACK')
    await fromOutside
    await connection.release()
    expect((await db.query('SELECT value FROM taken')).rows).toEqual([{ value: 'outside' }])
  })

  it('a transaction that was left open is rolled back when the connection is given back', async () => {
    const connection = await fromPglite(db).connect()
    await connection.query('BEGIN')
    await connection.query('CREATE TABLE left_open (value text)')
    await connection.release()
    await expect(db.query('SELECT FROM left_open')).rejects.toMatchObject({ code: '42P01' })
  })
})

describe('the suite for clients finds what is wrong', () => {
  it('a client that loses parameters fails', async () => {
    const failed = await failures((connection) => ({
      ...connection,
      query: (text) => connection.query(text),
    }))
    expect(failed).toContain('hostile texts survive the way there and back')
  })

  it('a client that trims texts fails', async () => {
    const failed = await failures((connection) => ({
      ...connection,
      query: async (text, values) => {
        const { rows } = await connection.query(text, values)
        return { rows: rows.map((row) => trimmed(row)) }
      },
    }))
    expect(failed).toEqual(['hostile texts survive the way there and back'])
  })
})

type Connection = Awaited<ReturnType<DatabaseClient['connect']>>

/** The names of the cases that a spoilt client fails. */
async function failures(spoil: (connection: Connection) => Connection): Promise<readonly string[]> {
  const db = await PGlite.create()
  const sound = fromPglite(db)
  const client: DatabaseClient = { ...sound, connect: async () => spoil(await sound.connect()) }
  const failed: string[] = []
  for (const { name, run } of clientConformance({
    create: async () => ({ client, dispose: async () => undefined }),
    concurrentSessions: false,
  })) {
    await run().catch(() => failed.push(name))
  }
  await db.close()
  return failed
}

function trimmed(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [key, typeof value === 'string' ? value.trim() : value]),
  )
}

function pgFixture(url: string, options: object = {}): ClientFixture {
  const pool = calmPool({ connectionString: url, max: 5, ...options })
  return { client: fromPg(pool), dispose: () => pool.end() }
}

function postgresJsFixture(
  url: string,
  options: postgres.Options<Record<string, postgres.PostgresType>> = {},
): ClientFixture {
  const sql = postgres(url, { max: 5, onnotice: () => undefined, ...options })
  return { client: fromPostgresJs(sql), dispose: () => sql.end({ timeout: 1 }) }
}

/** What an application may do to every value that it reads. */
const meddling = { getTypeParser: () => () => 'parsed by the application' }

/** A conversion of text both ways, as an application may have set it. */
const shouting: postgres.PostgresType = {
  to: 25,
  from: [25],
  serialize: (value: string) => value.toUpperCase(),
  parse: (value: string) => value.toUpperCase(),
}
