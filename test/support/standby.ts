/** A server that only reads, as a replica does: the same server, started again as a standby of nobody. */

import { chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import type { EmbeddedServer } from '../../src/cli/embedded/server.ts'
import { until } from './cli.ts'

/**
 * Makes a standby of a running server and waits until it takes connections again.
 *
 * A server whose backend was killed starts again by itself, and then finds the file that makes it a standby.
 */
export async function makeStandby(server: EmbeddedServer): Promise<void> {
  const victim = new Client({ connectionString: server.url })
  victim.on('error', () => undefined)
  await victim.connect()
  const { rows } = await victim.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const signal = join(server.dataDirectory, 'standby.signal')
  writeFileSync(signal, '')
  const owner = statSync(server.dataDirectory)
  chownSync(signal, owner.uid, owner.gid)
  process.kill(rows[0]?.pid ?? 0, 'SIGKILL')
  await until(async () => isInRecovery(server.url), 'the server is a standby')
  await victim.end().catch(() => undefined)
}

async function isInRecovery(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby')
    return rows[0]?.standby === true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}
