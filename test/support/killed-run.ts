/**
 * The process that `doomed-processes.ts` builds and starts.
 *
 * It is told one job in a line of JSON on standard input, and ends itself right after it has sent the statement of
 * that number: the server gets the statement, and nobody hears the answer.
 */

import { once } from 'node:events'
import { createInterface } from 'node:readline'

import { Pool } from 'pg'

import { fromPg } from '../../src/index.ts'
import type { ScenarioRun } from './interruptible-run.ts'
import { interruptibleRun } from './interruptible-run.ts'
import { observedClient } from './observed-client.ts'

export interface KilledJob {
  readonly url: string
  readonly schema: string
  readonly run: ScenarioRun
  readonly dieAt: number
}

const lines = createInterface({ input: process.stdin })
const [line]: string[] = await once(lines, 'line')
const { url, schema, run, dieAt }: KilledJob = JSON.parse(line ?? '')
const client = fromPg(new Pool({ connectionString: url, application_name: 'killed' }))
const interrupted = observedClient(client, {
  afterSending: ({ number }) => {
    // By its number, and without a turn of the event loop in between.
    if (number === dieAt) process.kill(process.pid, 'SIGKILL')
  },
})
await interruptibleRun(run, { schema, client, interrupted })
// Reached only when there was no such statement.
process.exit(3)
