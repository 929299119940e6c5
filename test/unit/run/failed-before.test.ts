import { Pool } from 'pg'
import { expect, it } from 'vitest'

import { createPartsmith } from '../../../src/index.ts'

const config = { tableName: 'events', partitionColumn: 'at', granularity: 'month' } as const

function fail(): never {
  throw new Error('not to be read')
}

const unreadable: readonly (readonly [string, object])[] = [
  ['schema', Object.defineProperty({ ...config }, 'schema', { get: fail, enumerable: true })],
  ['tableName', Object.defineProperty({ ...config }, 'tableName', { get: fail, enumerable: true })],
  ['properties', new Proxy({}, { get: fail, has: fail, ownKeys: fail, getPrototypeOf: fail })],
]

it.each(unreadable)(
  'runMaintenanceSafe does not throw for a configuration whose %s cannot be read',
  async (_, one) => {
    const { maintainer } = createPartsmith({ pool: new Pool() })
    const result = await maintainer.runMaintenanceSafe(Object(one))
    expect(result).toMatchObject({ success: false, operations: [] })
    expect(result.error).toContain('not to be read')
  },
)
