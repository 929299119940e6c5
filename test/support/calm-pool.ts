import { Pool } from 'pg'
import type { PoolConfig } from 'pg'

/** A pool that the test ends. A connection that is lost, be it while the pool ends, fails what waits on it and no more. */
export function calmPool(config: PoolConfig): Pool {
  const pool = new Pool(config)
  pool.on('error', ignoreLoss)
  pool.on('connect', (client) => client.on('error', ignoreLoss))
  return pool
}

export const ignoreLoss = (): void => undefined
