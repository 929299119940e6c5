import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

import { describeCli, workingDirectory } from '../support/cli.ts'
import type { Cli, CliRun } from '../support/cli.ts'
import type { ServerMajor, TestDatabase } from '../support/database.ts'
import { createDatabase } from '../support/database.ts'
import type { TestRole } from '../support/roles.ts'
import { createRole } from '../support/roles.ts'

const config = JSON.stringify({
  defaults: { schema: 'app', partitionColumn: 'at', granularity: 'month', createAheadCount: 1 },
  tables: [{ tableName: 'events', retentionCount: 2 }, { tableName: 'audit' }],
})

interface Prepared {
  readonly database: TestDatabase
  readonly role: TestRole
  readonly owner: TestRole
  readonly run: (...args: readonly string[]) => Promise<CliRun>
}

async function prepared(major: ServerMajor, cli: Cli): Promise<Prepared> {
  const database = await createDatabase(major)
  const [role, owner] = [await createRole(database), await createRole(database)]
  await database.sql(`CREATE SCHEMA app;
    CREATE TABLE app.events (at timestamptz NOT NULL) PARTITION BY RANGE (at); ALTER TABLE app.events OWNER TO ${owner.name};
    CREATE TABLE app.audit (at timestamptz NOT NULL) PARTITION BY RANGE (at); ALTER TABLE app.audit OWNER TO ${owner.name}`)
  const cwd = workingDirectory()
  writeFileSync(join(cwd, 'partsmith.config.json'), config)
  return {
    database,
    role,
    owner,
    run: (...args) => cli(args, { cwd, env: { PG_PARTSMITH_URL: database.url } }),
  }
}

describeCli('grants', (major, cli) => {
  it('prints each statement once, as SQL that can be run as it is, and then nothing is missing', async () => {
    const { database, role, owner, run } = await prepared(major, cli)
    const first = await run('grants', '--role', role.name, '--check')
    expect(first).toMatchObject({ code: 2, stderr: '' })
    const statements = first.stdout.split('\n').filter((line) => !line.startsWith('--') && line !== '')
    expect(statements).toEqual([
      `GRANT "${owner.name}" TO "${role.name}"${major >= 16 ? ' WITH INHERIT TRUE, SET TRUE' : ''};`,
      `GRANT USAGE, CREATE ON SCHEMA "app" TO "${owner.name}";`,
    ])
    expect(first.stdout).toContain(`-- GRANT SET ON PARAMETER deadlock_timeout TO "${role.name}";`)
    await database.sql(first.stdout)

    const second = await run('grants', '--role', role.name, '--check')
    expect(second).toMatchObject({ code: 0, stderr: '' })
    expect(second.stdout).toMatch(
      new RegExp(
        `^-- Nothing is missing: the role "${role.name}" can maintain 2 tables\\.\n-- Good to have: `,
      ),
    )
    expect(second.stdout.split('\n').every((line) => line === '' || line.startsWith('-- '))).toBe(true)
  })

  it('prints what is good to have as statements where that is asked for', async () => {
    const { role, run } = await prepared(major, cli)
    const { stdout } = await run('grants', '--role', role.name, '--optional')
    expect(stdout).toContain(`\nGRANT SET ON PARAMETER deadlock_timeout TO "${role.name}";\n`)
  })

  it('says of a superuser that it needs nothing', async () => {
    const { run } = await prepared(major, cli)
    expect(await run('grants')).toEqual({
      code: 0,
      stdout: '-- Nothing is missing: the role "postgres" can maintain 2 tables.\n',
      stderr: '',
    })
  })

  it('tells the tables of a superuser together, with their statements, and prints nothing that would be run', async () => {
    const { database, role, owner, run } = await prepared(major, cli)
    await database.sql(`GRANT ${owner.name} TO ${role.name}; GRANT USAGE, CREATE ON SCHEMA app TO ${owner.name};
      CREATE TABLE app.a PARTITION OF app.events FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
      CREATE TABLE app.b PARTITION OF app.events FOR VALUES FROM ('2020-02-01') TO ('2020-03-01')`)
    const { stdout, code } = await run('grants', '--role', role.name, '--check')
    expect(code).toBe(2)
    expect(stdout).toContain(
      `-- What the role "${role.name}" is missing to maintain 2 tables:
-- 2 tables of app.events belong to the superuser postgres, and whoever is a member of that may do everything. Give them to ${owner.name}:
-- ALTER TABLE "app"."a" OWNER TO "${owner.name}";
-- ALTER TABLE "app"."b" OWNER TO "${owner.name}";
`,
    )
    expect(stdout.split('\n').every((line) => line === '' || line.startsWith('-- '))).toBe(true)
    await database.sql(
      stdout
        .split('\n')
        .flatMap((line) => (line.startsWith('-- ALTER') ? [line.slice(3)] : []))
        .join('\n'),
    )
    expect((await run('grants', '--role', role.name, '--check')).code).toBe(0)
  })

  it('gives programs the grants of each table with their reasons', async () => {
    const { role, owner, run } = await prepared(major, cli)
    const { code, stdout } = await run('grants', '--role', role.name, '--output', 'json', '--table', 'audit')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      version: 1,
      command: 'grants',
      tables: [
        {
          schema: 'app',
          name: 'audit',
          role: role.name,
          complete: false,
          grants: [
            { kind: 'membership', of: owner.name, to: role.name, optional: false },
            { kind: 'schema', privileges: ['USAGE', 'CREATE'], to: owner.name },
            { kind: 'parameter', optional: true },
            { kind: 'membership', of: 'pg_read_all_stats', optional: true },
          ],
        },
      ],
    })
  })

  it('says which table or role there is not, and goes on with the other tables', async () => {
    const { database, role, run } = await prepared(major, cli)
    const nobody = await run('grants', '--role', 'nobody')
    expect(nobody).toMatchObject({ code: 4, stdout: '' })
    expect(nobody.stderr).toContain('There is no role "nobody" on this server.')
    await database.sql('DROP TABLE app.events')
    const { code, stdout, stderr } = await run('grants', '--role', role.name)
    expect(code).toBe(4)
    expect(stderr).toContain('There is no table app.events in this database.')
    expect(stdout).toContain('is missing to maintain 1 table:')
  })
})
