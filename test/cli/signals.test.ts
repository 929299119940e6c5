import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { newest, runBinary, startBinary, until, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly, partitionsOf } from '../support/cli-tables.ts'
import { createDatabase, type TestDatabase } from '../support/database.ts'

describe('a run that is told to stop', () => {
  it.each([
    ['SIGTERM', 143],
    ['SIGQUIT', 143],
    ['SIGINT', 130],
  ] as const)(
    'by %s cancels what waits on the server, releases the lock and ends with %i',
    async (signal, expected) => {
      const database = await createDatabase(newest)
      await makeMonthly(database)
      await makeMonthly(database, { name: 'later' })
      // So that a statement may wait for a lock long enough to be interrupted.
      await database.sql(`ALTER DATABASE ${database.name} SET deadlock_timeout = '60s'`)
      const cwd = directoryWith(database, {
        tables: [monthly('events'), monthly('later')],
        runtime: { lockTimeoutMs: 40_000, statementTimeoutMs: 40_000 },
      })
      await hold(database, 'LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE')

      const run = startBinary(['apply', '--concurrency', '1'], { cwd })
      await until(() => isWaiting(database), 'a statement waits')
      run.kill(signal)
      const { code, stdout, stderr } = await run.ended

      expect(unwrapped(stdout)).toContain(`Stopped by ${signal}.`)
      expect(unwrapped(stdout)).toContain('Nothing was finished. 3 operations were not carried out.')
      expect(stderr).toContain(`app.later: Stopped by ${signal}.`)
      expect(code).toBe(expected)
      expect(await sessionsOf(database)).toEqual([])
      expect(await advisoryLocksOf(database)).toBe(0)
      expect(await partitionsOf(database)).toHaveLength(3)
      expect(await partitionsOf(database, 'later')).toHaveLength(3)
    },
  )

  it('leaves nothing that the next run does not put right, in the middle of a concurrent detach too', async () => {
    const database = await createDatabase(newest)
    await makeMonthly(database, { past: 3, ahead: true })
    const cwd = directoryWith(database, { tables: [monthly('events', { retentionCount: 3 })] })
    // DETACH CONCURRENTLY waits for whoever may still see the partition.
    const reader = await hold(database, 'SELECT count(*) FROM app.events')
    const run = startBinary(['maintain', '--allow-destructive'], { cwd })
    await until(() => isWaiting(database), 'the detach waits')
    run.kill('SIGTERM')
    const { code, stdout } = await run.ended
    expect(unwrapped(stdout)).toContain('Stopped by SIGTERM.')
    expect(code).toBe(143)
    expect(await advisoryLocksOf(database)).toBe(0)
    await reader.end()

    const next = await runBinary(['maintain', '--allow-destructive'], { cwd })
    expect(next.stdout).toContain('dropped 1.')
    expect(next.code).toBe(0)
    expect(await partitionsOf(database)).toHaveLength(5)
    expect((await runBinary(['plan', '--check'], { cwd })).code).toBe(0)
  })

  it('still prints one JSON document', async () => {
    const database = await createDatabase(newest)
    await makeMonthly(database)
    await database.sql(`ALTER DATABASE ${database.name} SET deadlock_timeout = '60s'`)
    const cwd = directoryWith(database, {
      tables: [monthly('events')],
      runtime: { lockTimeoutMs: 40_000, statementTimeoutMs: 40_000 },
    })
    await hold(database, 'LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE')
    const run = startBinary(['maintain', '--output', 'json'], { cwd })
    await until(() => isWaiting(database), 'a statement waits')
    run.kill('SIGTERM')
    const { code, stdout } = await run.ended
    expect(JSON.parse(stdout)).toMatchObject({
      command: 'maintain',
      exitCode: 143,
      tables: [{ exitCode: 143, result: { success: false, errorCode: 'aborted', createdCount: 0 } }],
    })
    expect(code).toBe(143)
  })

  it('ends at once when it is told a second time, and its hook with it', async () => {
    const database = await createDatabase(newest)
    await makeMonthly(database)
    // A hook that does not end when it is asked to, and is given two seconds by the program.
    const cwd = directoryWith(database, {
      tables: [monthly('events')],
      hooks: {
        beforeCreate: [
          'sh',
          '-c',
          'trap "" TERM; echo $$ > began; n=0; while [ $n -lt 300 ]; do n=$((n+1)); sleep 0.1; done',
        ],
      },
    })
    const run = startBinary(['apply', '--allow-hooks'], { cwd })
    const began = join(cwd, 'began')
    await until(() => existsSync(began) && readFileSync(began, 'utf8') !== '', 'the hook runs')
    const hook = Number(readFileSync(began, 'utf8'))
    run.kill('SIGTERM')
    await until(() => run.written.stderr.includes('stopping after SIGTERM'), 'the first signal has arrived')
    run.kill('SIGTERM')
    const { code, stdout } = await run.ended
    expect(code).toBe(143)
    // What a run that was stopped in good order prints.
    expect(stdout).not.toContain('Stopped by')
    await until(() => !isAlive(hook), 'the hook is gone, too')
    expect(await partitionsOf(database)).toHaveLength(3)
  })

  it('is not troubled by a reader that goes away', async () => {
    const database = await createDatabase(newest)
    await makeMonthly(database, { past: 60 })
    const cwd = directoryWith(database, { tables: [monthly('events')] })
    const run = startBinary(['inspect', '--verbose'], { cwd, closeOutput: true })
    const { code, stderr } = await run.ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
  })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** Somebody who uses a table, and does not end the transaction before the test is over. */
async function hold(database: TestDatabase, statement: string): Promise<Client> {
  const client = new Client({ connectionString: database.url, application_name: 'holder' })
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.end())
  await client.query(`BEGIN; ${statement}`)
  return client
}

async function isWaiting(database: TestDatabase): Promise<boolean> {
  const rows = await database.sql(
    `SELECT FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'pg-partsmith' AND wait_event_type = 'Lock'`,
  )
  return rows.length > 0
}

/** The sessions that the program has left behind. */
async function sessionsOf(database: TestDatabase): Promise<readonly unknown[]> {
  await until(async () => (await sessions()).length === 0, 'the sessions of the program are gone')
  return sessions()
  function sessions(): Promise<readonly unknown[]> {
    return database.sql(
      `SELECT query FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'pg-partsmith'`,
    )
  }
}

async function advisoryLocksOf(database: TestDatabase): Promise<number> {
  const rows = await database.sql(
    `SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
     WHERE locktype = 'advisory' AND d.datname = current_database()`,
  )
  return rows.length
}
