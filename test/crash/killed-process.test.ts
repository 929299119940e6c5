import { afterAll, beforeAll, expect, it } from 'vitest'

import { CrashSite, expectOneRunToMendIt, statementsOf } from '../support/crash-world.ts'
import { crashScenarios } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer, majors } from '../support/database.ts'
import { DoomedProcesses, untilTheServerNoticed } from '../support/doomed-processes.ts'

let doomed: DoomedProcesses

beforeAll(() => {
  doomed = new DoomedProcesses()
})

afterAll(() => doomed[Symbol.dispose]())

describeEachServer('a process that is killed after every statement of', (major) => {
  it('what it does has had that statement done by the server', async () => {
    await using database = await createDatabase(major)
    const [scenario] = crashScenarios
    if (scenario === undefined) throw new Error('There are no scenarios.')
    const site = new CrashSite(database)
    const firstCommit = (await statementsOf(site, scenario)).indexOf('COMMIT') + 1
    await site.visit(scenario, async (world) => {
      const { schema, sql } = world
      await doomed.killed({ url: database.url, schema, run: scenario, dieAt: firstCommit }, 'first COMMIT')
      await untilTheServerNoticed(world)
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
        await doomed.killed({ url, schema: world.schema, run: scenario, dieAt: index + 1 }, where)
        await untilTheServerNoticed(world)
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
