import { Pool } from 'pg'
import type { PoolConfig } from 'pg'
import { onTestFinished } from 'vitest'

import type { TestDatabase } from './database.ts'

export interface OwnPoolOptions extends PoolConfig {
  /** Runs on every new connection before anybody gets it, as an application sets its sessions up. */
  readonly firstStatement?: string
}

/** A pool beside the database's own, which ends with the test, whatever the test did to its connections. */
export function ownPool({ url }: TestDatabase, { firstStatement, ...options }: OwnPoolOptions = {}): Pool {
  const pool = new Pool({ connectionString: url, ...options })
  pool.on('error', ignoreLoss)
  pool.on('connect', (client) => {
    client.on('error', ignoreLoss)
    if (firstStatement !== undefined) client.query(firstStatement).catch(ignoreLoss)
  })
  onTestFinished(() => pool.end())
  return pool
}

const ignoreLoss = (): void => undefined
