import type { PoolConfig } from 'pg'
import { Pool } from 'pg'
import { describe, expect, it } from 'vitest'
import { createPartsmith } from '../../../src/index.ts'
import { fromPg } from '../../../src/run/clients/pg.ts'

const table = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const

const whyNot = async (options: PoolConfig): Promise<string> => {
  const pool = new Pool(options)
  const error: unknown = await createPartsmith({ pool })
    .plan(table)
    .catch((reason: unknown) => reason)
  await pool.end()
  return error instanceof Error ? error.message : String(error)
}

const server = (connectionString: string): string | undefined => fromPg(new Pool({ connectionString })).server

describe('a connection that fails', () => {
  it('is told with the host and the port of the pool', async () => {
    const password = 'horse'
    for (const options of [
      { host: 'localhost', port: 1, password },
      { connectionString: 'postgres://me:horse@localhost:1/app' },
    ]) {
      const message = await whyNot(options)
      expect(message).toMatch(
        /^Could not connect to the database: .*ECONNREFUSED.* \(the server is localhost:1\)\.$/,
      )
      expect(message).not.toContain(password)
    }
  })

  it('does not name the server twice', async () => {
    expect(await whyNot({ host: '127.0.0.1', port: 1 })).toBe(
      'Could not connect to the database: connect ECONNREFUSED 127.0.0.1:1.',
    )
  })

  it('names no part of a connection string that may be a password', () => {
    expect(server('postgres://me:12/34@db.example:5432/app')).toBeUndefined()
    expect(server('postgres://me:12#34@db.example:5432/app')).toBeUndefined()
    expect(server('host=db.example password=horse')).toBeUndefined()
    expect(server('postgres:///app?host=/run/postgresql&password=horse')).toBe('/run/postgresql')
    expect(server('postgres://me:horse@db.example/app')).toBe('db.example')
  })
})
