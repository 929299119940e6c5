import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { InvalidPartitionConfigError } from '../../../../src/errors.ts'
import type { DatabaseClient } from '../../../../src/run/client.ts'
import { fromPg } from '../../../../src/run/clients/pg.ts'
import { fromPostgresJs } from '../../../../src/run/clients/postgres-js.ts'
import { toClient } from '../../../../src/run/clients/to-client.ts'
import { PostgresAdvisoryLockManager } from '../../../../src/run/locks/advisory.ts'

const url = 'postgres://nobody@127.0.0.1:1/nowhere'

describe('toClient', () => {
  it('takes a pg Pool as it is, and always makes the same client of it', () => {
    const pool = new Pool({ connectionString: url, max: 7 })
    const client = toClient(pool)
    expect(client.capabilities).toEqual({
      concurrentSessions: true,
      severalStatements: true,
      maxConnections: 7,
    })
    expect(toClient(pool)).toBe(client)
    expect(fromPg(pool)).toBe(client)
    expect(new PostgresAdvisoryLockManager(pool).client).toBe(client)
  })

  it('gives a client back as it is', () => {
    const own: DatabaseClient = {
      capabilities: { concurrentSessions: true },
      connect: () => Promise.reject(new Error('not used')),
      cancel: async () => undefined,
    }
    expect(toClient(own)).toBe(own)
    const adapted = fromPostgresJs(postgres(url, { max: 4 }))
    expect(toClient(adapted)).toBe(adapted)
    expect(adapted.capabilities.maxConnections).toBe(4)
  })

  it.each([
    ['nothing', undefined, /it is undefined\./],
    ['a connection string', url, /new Pool\(\{ connectionString \}\)/],
    ['a single pg Client', new Client(url), /single pg Client; a run needs several connections/],
    ['postgres.js as it is', postgres(url), /fromPostgresJs\(sql\)/],
    ['PGlite as it is', { exec: ignore, transaction: ignore, query: ignore }, /fromPglite\(db\)/],
    ['options', { host: 'localhost' }, /an object without connect\(\)/],
    ['a number', 5432, /it is a number/],
  ])('refuses %s with a sentence', (_, source, sentence) => {
    expect(() => toClient(source)).toThrow(InvalidPartitionConfigError)
    expect(() => toClient(source)).toThrow(sentence)
  })
})

describe('fromPostgresJs', () => {
  it('refuses a client that renames columns, as the answers could not be read', () => {
    expect(() => fromPostgresJs(postgres(url, { transform: postgres.camel }))).toThrow(
      /changes the names of columns/,
    )
  })

  it('refuses a client whose reserve() would not answer', () => {
    expect(() => fromPostgresJs(postgres(url, { fetch_types: false }))).toThrow(/never answers a reserve\(\)/)
  })

  it('takes a client that renames in the other direction only', () => {
    const transform = { column: { to: postgres.fromCamel }, undefined: null }
    expect(fromPostgresJs(postgres(url, { transform })).capabilities.concurrentSessions).toBe(true)
  })
})

function ignore(): void {
  return undefined
}
