import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

import { quoteIdentifier, quoteLiteral } from '../../src/model/quote.ts'
import { describeCliOnEachServer, workingDirectory } from '../support/cli.ts'
import { directoryWith, makeMonthly, monthly } from '../support/cli-tables.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase } from '../support/database.ts'
import { createRole } from '../support/roles.ts'

/** What psql runs where it is not in quotes, and what drives a terminal. */
const hostile = (name: string): string =>
  `${name}\n\\endif\n\\! touch ran\ncreate table pwned();--\r\u001b[31m\u202e`

/** Tables whose partitions, DEFAULT, foreign keys and comments are called so. */
async function makeHostile(database: TestDatabase): Promise<void> {
  for (const name of ['plain', 'beside']) {
    await makeMonthly(database, { name, withDefault: name === 'beside' })
    await database.sql(
      [1, 2, 3]
        .map(
          (n) => `ALTER TABLE app.${name}_old_${n} RENAME TO ${quoteIdentifier(hostile(`${name[0]}${n}`))}`,
        )
        .join(';'),
    )
  }
  const rest = quoteIdentifier(hostile('rest'))
  const one = quoteIdentifier(hostile('p1'))
  await database.sql(`ALTER TABLE app.beside_rest RENAME TO ${rest};
    CREATE TABLE app.${quoteIdentifier(hostile('key'))} (id bigint PRIMARY KEY);
    ALTER TABLE app.beside ADD CONSTRAINT ${quoteIdentifier(hostile('fk'))} FOREIGN KEY (id) REFERENCES app.${quoteIdentifier(hostile('key'))};
    COMMENT ON TABLE app.${one} IS ${quoteLiteral(`pg-partsmith:orphan-parent=app.plain\npg-partsmith:detached-at=2020-01-01T00:00:00Z\n${hostile('mine')}`)};
    CREATE SCHEMA ${quoteIdentifier(hostile('s'))};
    ALTER TABLE app.${quoteIdentifier(hostile('b2'))} SET SCHEMA ${quoteIdentifier(hostile('s'))}`)
}

const tables = [monthly('plain', { retentionCount: 2 }), monthly('beside', { retentionCount: 2 })]

/** Where it is installed; it is no dependency. */
const psql = 'psql'

/** Runs the text as people would by mistake, and says what psql wrote. Nothing where there is no psql. */
function runWithPsql(text: string, { url }: TestDatabase, cwd: string): string | undefined {
  try {
    return execFileSync(psql, ['-X', url], {
      cwd,
      input: `${text}\nSELECT 'the end';\n`,
      encoding: 'utf8',
      stdio: 'pipe',
    })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

describeCliOnEachServer('plan --sql, of tables whose names are made to be run', (major, cli) => {
  it('shows every character, has no line that psql acts on but its own, and runs nothing', async () => {
    const database = await createDatabase(major)
    await makeHostile(database)
    const cwd = directoryWith(database, { tables })
    const { stdout, code } = await cli(['plan', '--sql'], { cwd })
    expect(code).toBe(0)
    expect(stdout).toContain(String.raw`U&"rest\000A\\endif\000A`)
    expect(stdout).toContain('CONCURRENTLY')
    expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
    expect(stdout.split('\n').filter((line) => /^\s*\\/.test(line))).toEqual(
      tables.flatMap(() => ['\\if false', '\\endif']),
    )
    const there = workingDirectory()
    const wrote = runWithPsql(stdout, database, there)
    expect(wrote ?? 'the end').toContain('the end')
    expect(existsSync(join(there, 'ran'))).toBe(false)
    expect(await database.sql(`SELECT to_regclass('pwned') AS pwned`)).toEqual([{ pwned: null }])
  })

  it('changes nothing about what is run: they are detached and dropped', async () => {
    const database = await createDatabase(major)
    await makeHostile(database)
    const cwd = directoryWith(database, { tables })
    const { code, stdout } = await cli(['maintain', '--allow-destructive'], { cwd })
    expect(stdout).toContain(String.raw`p3\n\endif`)
    expect(code).toBe(0)
    const left = await database.sql(
      `SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE E'%\\n%' ORDER BY relname`,
    )
    expect(left.map(({ relname }) => String(relname).split('\n')[0])).toEqual(['b1', 'key', 'p1', 'rest'])
    const sql = await cli(['plan', '--sql'], { cwd })
    expect(sql.stdout).toContain('app.plain: no operations')
  })

  it('has grants for a role that is called so on one line each', async () => {
    const database = await createDatabase(major)
    await makeMonthly(database, { name: 'plain' })
    const role = await createRole(database)
    const name = `${role.name}\n\\! x\u001b`
    await database.sql(`ALTER ROLE ${role.name} RENAME TO ${quoteIdentifier(name)}`)
    const cwd = directoryWith(database, { tables: [monthly('plain')] })
    const { stdout } = await cli(['grants', '--role', name, '--optional'], { cwd })
    expect(stdout).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]|^\s*\\/mu)
    expect(stdout).toContain(String.raw`TO U&"${role.name}\000A\\! x\001B"`)
    await database.sql(`BEGIN; ${stdout} ROLLBACK`)
    await database.sql(`ALTER ROLE ${quoteIdentifier(name)} RENAME TO ${role.name}`)
  })
})
