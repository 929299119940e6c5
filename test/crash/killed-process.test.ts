import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, expect, it } from 'vitest'

import { CrashSite, expectOneRunToMendIt, statementsOf } from '../support/crash-world.ts'
import { crashScenarios } from '../support/crash-scenarios.ts'
import type { World } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer, majors } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import type { KilledJob } from '../support/killed-run.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'partsmith-killed-'))
/** Started before it is needed, so that it has read its modules by then. */
let next: Doomed | undefined

beforeAll(() => {
  buildInto(directory)
})

afterAll(() => {
  next?.kill('SIGKILL')
  rmSync(directory, { recursive: true })
})

describeEachServer('a process that is killed after every statement of', (major) => {
  it('what it does has had that statement done by the server', async () => {
    await using database = await createDatabase(major)
    const [scenario] = crashScenarios
    if (scenario === undefined) throw new Error('There are no scenarios.')
    const site = new CrashSite(database)
    const firstCommit = (await statementsOf(site, scenario)).indexOf('COMMIT') + 1
    await site.visit(scenario, async (world) => {
      const { schema, sql } = world
      await killed({ url: database.url, schema, run: scenario, dieAt: firstCommit }, 'first COMMIT')
      await untilTheServerNoticed(database, world)
      expect(await sql(`SELECT to_regclass('events__2026_04') IS NOT NULL AS is_built`)).toEqual([
        { is_built: true },
      ])
    })
  })

  it.each(crashScenarios)('$name leaves nothing that the next run does not mend', async (scenario) => {
    await using database = await createDatabase(major)
    const site = new CrashSite(database)
    const statements = await statementsOf(site, scenario)
    for (const [index, text] of statements.entries()) {
      if (!isWorthIt(text, { major, operations: scenario.operations.length })) continue
      const where = `killed after ${index + 1} of ${statements.length}: ${text}`
      await site.visit(scenario, async (world) => {
        const { url } = database
        await killed({ url, schema: world.schema, run: scenario, dieAt: index + 1 }, where)
        await untilTheServerNoticed(database, world)
        await expectOneRunToMendIt(world, scenario, where)
      })
    }
  })
})

/**
 * All of them on the newest server. On the others, and between the changes of a run with several
 * operations, only those after which something is different.
 */
function isWorthIt(text: string, { major, operations }: { major: number; operations: number }): boolean {
  return /^(COMMIT|ALTER)/.test(text) || (operations <= 2 && major === Math.max(...majors))
}

type Doomed = ChildProcessByStdio<Writable, null, null>

async function killed(job: KilledJob, where: string): Promise<void> {
  const child = next ?? start()
  next = start()
  child.stdin.write(`${JSON.stringify(job)}\n`)
  expect(await once(child, 'exit'), where).toEqual([null, 'SIGKILL'])
}

function start(): Doomed {
  return spawn(process.execPath, [join(directory, 'test/support/killed-run.js')], {
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'] },
  })
}

/** The server goes on with the statement that it has, and ends the session when it looks for the next one. */
async function untilTheServerNoticed(database: TestDatabase, { sql }: World): Promise<void> {
  const alive = `SELECT FROM pg_stat_activity WHERE datname = $1 AND application_name = 'killed'`
  while ((await sql(alive, [database.name])).length > 0);
}

/** Types were checked elsewhere; this only makes JavaScript of what the process runs. */
function buildInto(target: string): void {
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  const options =
    '--ignoreConfig --rewriteRelativeImportExtensions --module nodenext --target es2023 --types node --skipLibCheck --noCheck'
  const places = ['--lib', 'es2023,esnext.disposable', '--rootDir', repository, '--outDir', target]
  const source = join(repository, 'test/support/killed-run.ts')
  execFileSync(process.execPath, [compiler, source, ...options.split(' '), ...places], { cwd: repository })
  writeFileSync(join(target, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(repository, 'node_modules'), join(target, 'node_modules'))
}
