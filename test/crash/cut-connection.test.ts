import { expect, it } from 'vitest'

import { ConnectionFailedError, fromPg } from '../../src/index.ts'
import { CrashSite, expectOneRunToMendIt, planned, statementsOf } from '../support/crash-world.ts'
import type { CrashScenario, World } from '../support/crash-scenarios.ts'
import { crashScenarios } from '../support/crash-scenarios.ts'
import { createDatabase, describeEachServer, majors } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { interruptibleRun } from '../support/interruptible-run.ts'
import { observedClient } from '../support/observed-client.ts'
import type { SentStatement } from '../support/observed-client.ts'

/** `unanswered`: the server did it and could not say so. `unsent`: the connection is gone before the statement is. */
type Moment = 'unanswered' | 'unsent'

/**
 * For the server, unsent is as unanswered of the one before; for the client it is not. What lies between the changes
 * of a run with several operations is covered by the scenarios of the single ones. Questions are cut on the newest
 * server only; the others are asked the same ones.
 */
function momentsOf(text: string, { operations }: CrashScenario, major: number): readonly Moment[] {
  if (/^(COMMIT|ALTER)/.test(text)) return ['unanswered', 'unsent']
  if (major !== Math.max(...majors) && !/^(LOCK|CREATE|DROP|COMMENT)/.test(text)) return []
  return operations.length > 2 ? [] : ['unanswered']
}

describeEachServer('a connection that is cut at every statement of', (major) => {
  it.concurrent.each(crashScenarios)(
    '$name leaves nothing that the next run does not mend',
    async (scenario) => {
      await using database = await createDatabase(major)
      const site = new CrashSite(database)
      const statements = await statementsOf(site, scenario)
      expect(statements.length).toBeGreaterThan(5)
      for (const [index, text] of statements.entries()) {
        for (const moment of momentsOf(text, scenario, major)) {
          const where = `${moment} ${index + 1} of ${statements.length}: ${text}`
          await site.visit(scenario, async (world) => {
            await expectCut({ scenario, world, database, at: { number: index + 1, moment } }, where)
            await expectOneRunToMendIt(world, scenario, where)
          })
        }
      }
    },
  )
})

interface Cut {
  readonly scenario: CrashScenario
  readonly world: World
  readonly database: TestDatabase
  readonly at: { readonly number: number; readonly moment: Moment }
}

/** Runs until the cut, and expects that the run says what happened. */
async function expectCut({ scenario, world, database, at }: Cut, where: string): Promise<void> {
  let cut = 0
  const end = async ({ number, pid }: SentStatement): Promise<void> => {
    if (number !== at.number) return
    cut += 1
    await terminate(database, pid)
  }
  const interrupted = observedClient(fromPg(database.pool), {
    ...(at.moment === 'unsent' && { beforeSending: end }),
    ...(at.moment === 'unanswered' && {
      beforeAnswer: async (statement) => {
        await end(statement)
        if (statement.number === at.number) {
          throw Object.assign(new Error('terminating connection due to administrator command'), {
            code: '57P01',
          })
        }
      },
    }),
  })
  const run = interruptibleRun(scenario, { ...world, interrupted })
  const outcome = await run.then(
    (result) => result?.errorCode ?? (result?.success === true ? 'done' : 'failed without a reason'),
    (error: unknown) => (error instanceof ConnectionFailedError ? error.code : error),
  )
  // A concurrent detach does not need its second connection any more when it is pending, nor its own when it is done.
  const isRight =
    outcome === 'connection-failed' || (outcome === 'done' && (await planned(scenario, world)).length === 0)
  expect(isRight, `${where}: ${String(outcome)}`).toBe(true)
  expect(cut, where).toBe(1)
}

/** Not by the function's own timeout, which looks only every tenth of a second. */
async function terminate(database: TestDatabase, pid: number): Promise<void> {
  await database.sql('SELECT pg_terminate_backend($1)', [pid])
  const alive = 'SELECT FROM pg_stat_activity WHERE pid = $1'
  while ((await database.sql(alive, [pid])).length > 0);
}
