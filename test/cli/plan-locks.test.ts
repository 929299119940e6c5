import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

import { describeCli, unwrapped } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly } from '../support/cli-tables.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase } from '../support/database.ts'
import { createRole } from '../support/roles.ts'

describeCli('plan --locks', (major, cli) => {
  it('says who is in the way now, and in JSON beside the plan', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { withDefault: true })
    const pid = await reader(database)
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const { code, stdout } = await cli(['plan', '--locks'], { cwd })
    expect(unwrapped(stdout)).toMatch(
      new RegExp(
        `now pid ${pid} \\(the-reader, idle in transaction, transaction open for [\\d.]+ s, last statement: SELECT count\\(\\*\\) FROM app\\.events\\) holds ACCESS SHARE on app\\.events`,
      ),
    )
    expect(stdout).toContain('on a standby, queries of')
    expect(unwrapped(stdout)).toMatch(
      /Others wait at most 100 ms at a time \(lockTimeoutMs\): then it gives way\. What finds a lock taken is tried up to \d+ times, for 15\.0 s in all \(giveUpAfterMs\); the next run goes on\./,
    )
    // Three partitions, and what is the same of all is said once.
    expect(stdout.match(/the partition +ACCESS EXCLUSIVE/g)).toHaveLength(1)
    expect(code).toBe(0)

    const json = JSON.parse((await cli(['plan', '--locks', '--output', 'json'], { cwd })).stdout)
    const [table] = json.tables
    expect(table.blockers.operations).toHaveLength(3)
    expect(table.blockers.operations[0]).toMatchObject({
      id: table.plan.operations[0].id,
      blockers: [{ pid, application: 'the-reader', mode: 'ACCESS SHARE' }],
    })
    expect(JSON.stringify(table.plan)).not.toContain('the-reader')
    expect((await cli(['plan', '--output', 'json'], { cwd })).stdout).not.toContain('the-reader')
  })

  it('saves a plan without them, which apply takes', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database)
    await reader(database)
    const cwd = directoryWith(database, { tables: [monthly('events')] })

    const { stdout } = await cli(['plan', '--locks', '--save', 'plan.json'], { cwd })
    // A partition without a DEFAULT beside it is created while others read.
    expect(stdout).toContain('now    nobody is in the way')
    expect(readFileSync(join(cwd, 'plan.json'), 'utf8')).not.toContain('blockers')
    expect((await cli(['apply', '--plan', 'plan.json'], { cwd })).stdout).toContain('Created 3.')
  })

  it('says of rows that are moved that they are, where that is what takes the time', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { withDefault: true })
    await database.sql(`INSERT INTO app.events SELECT g, now() FROM generate_series(1, 3000) g`)
    const cwd = directoryWith(database, { tables: [monthly('events', { createAheadCount: 2 })] })

    const text = unwrapped((await cli(['plan', '--locks'], { cwd })).stdout)
    const reads = 'reads \\d+ kB of app\\.events_rest \\(twice its size without an index on the key\\)'
    expect(text).toMatch(
      new RegExp(`${reads} and moves 3,000 rows out of it while it holds these locks: about 1\\d ms`),
    )
    expect(text).toMatch(new RegExp(`${reads} while it holds these locks: about \\d ms`))
  })

  it('says that the query of another role is hidden, and what to grant', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { withDefault: true })
    const role = await createRole(database)
    await database.sql(`GRANT USAGE, CREATE ON SCHEMA app TO ${role.name}; GRANT SELECT ON app.events_rest TO ${role.name};
      ALTER TABLE app.events OWNER TO ${role.name}; ALTER TABLE app.events_rest OWNER TO ${role.name}`)
    const pid = await reader(database)
    const cwd = directoryWith(role, { tables: [monthly('events')] })

    const text = unwrapped((await cli(['plan', '--locks'], { cwd })).stdout)
    expect(text).toContain(`pid ${pid} (the-reader, its query is hidden) holds ACCESS SHARE on app.events`)
    expect(text).toContain(
      `To see what the sessions of other roles run: GRANT pg_read_all_stats TO ${role.name}.`,
    )
  })
})

/** A transaction that has read the table, and stays open as long as the test. */
async function reader(database: TestDatabase): Promise<number> {
  const client = await database.pool.connect()
  onTestFinished(() => {
    client.release(true)
  })
  await client.query(`BEGIN; SET LOCAL application_name = 'the-reader'`)
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  await client.query('SELECT count(*) FROM app.events')
  return rows[0]?.pid ?? 0
}
