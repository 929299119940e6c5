import { InvalidPartitionConfigError } from '../../errors.ts'
import type { DatabaseClient } from '../client.ts'
import type { PgPoolLike } from './pg.ts'
import { fromPg } from './pg.ts'

/** What the library takes connections from: a `pg` Pool as it is, or a client from an adapter or of your own. */
export type ClientSource = DatabaseClient | PgPoolLike

/**
 * Recognises a `pg` Pool or a `DatabaseClient`.
 *
 * Throws `InvalidPartitionConfigError` for anything else, with the adapter to use where the thing is known.
 */
export function toClient(source: unknown): DatabaseClient {
  if (isDatabaseClient(source)) return source
  if (isPgPool(source)) return fromPg(source)
  throw new InvalidPartitionConfigError(
    `This is not a database client: ${whatItIs(source)} Give a pg Pool, the result of fromPostgresJs(sql) or ` +
      'fromPglite(db), or a DatabaseClient of your own.',
  )
}

function isDatabaseClient(source: unknown): source is DatabaseClient {
  return (
    has(source, 'connect', 'function') &&
    has(source, 'cancel', 'function') &&
    has(source, 'capabilities', 'object')
  )
}

/** A `pg` Client has `connect` and `query` too, but only one session, and is told by its missing pool counters. */
function isPgPool(source: unknown): source is PgPoolLike {
  return (
    has(source, 'connect', 'function') &&
    has(source, 'query', 'function') &&
    has(source, 'totalCount', 'number')
  )
}

function whatItIs(source: unknown): string {
  if (source === undefined || source === null) return `it is ${String(source)}.`
  if (typeof source === 'string')
    return 'it is a string; a connection string goes into new Pool({ connectionString }).'
  if (has(source, 'reserve', 'function'))
    return 'it looks like postgres.js, which goes through fromPostgresJs(sql).'
  if (has(source, 'exec', 'function') && has(source, 'transaction', 'function')) {
    return 'it looks like PGlite, which goes through fromPglite(db).'
  }
  if (has(source, 'connect', 'function') && has(source, 'query', 'function')) {
    return 'it looks like a single pg Client; a run needs several connections, so it needs a Pool.'
  }
  return `it is ${typeof source === 'object' ? 'an object without connect()' : `a ${typeof source}`}.`
}

function has(source: unknown, key: string, type: 'function' | 'object' | 'number'): boolean {
  if ((typeof source !== 'object' && typeof source !== 'function') || source === null) return false
  const value: unknown = Reflect.get(source, key)
  return typeof value === type && value !== null
}
