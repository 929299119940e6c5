import type { Pool, PoolConfig } from 'pg'
import { onTestFinished } from 'vitest'

import { calmPool, ignoreLoss } from './calm-pool.ts'
import type { TestDatabase } from './database.ts'

export interface OwnPoolOptions extends PoolConfig {
  /** Runs on every new connection before anybody gets it, as an application sets its sessions up. */
  readonly firstStatement?: string
}

/** A pool beside the database's own, which ends with the test, whatever the test did to its connections. */
export function ownPool({ url }: TestDatabase, { firstStatement, ...options }: OwnPoolOptions = {}): Pool {
  const pool = calmPool({ connectionString: url, ...options })
  if (firstStatement !== undefined) {
    pool.on('connect', (client) => void client.query(firstStatement).catch(ignoreLoss))
  }
  onTestFinished(() => pool.end())
  return pool
}
