/** The closed-loop clients, in a process of their own. Started by `clients.ts`. */

import { setTimeout as pause } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'

import type { ClientKind } from './client-kinds.ts'
import { statementOf } from './client-kinds.ts'
import type { ClientFigures, ClientQuestion, ClientWindow } from './clients.ts'
import { clockMs, endWithTheAsker, reply } from './own-process.ts'
import { histogram, percentile, rounded } from './report.ts'

interface Sent {
  readonly from: number
  readonly to: number
  readonly failed: string | undefined
}

interface Running {
  readonly kind: ClientKind
  readonly sent: Sent[]
  readonly ended: Promise<void>
}

let running: readonly Running[] = []
const stop = new AbortController()

endWithTheAsker()
process.on('message', (question: ClientQuestion) => {
  reply(answer(question))
})

async function answer(question: ClientQuestion): Promise<readonly ClientFigures[]> {
  switch (question.do) {
    case 'start':
      running = await Promise.all(question.kinds.map((kind) => start(kind, question)))
      return []
    case 'summarise':
      return running.map(({ kind, sent }) => summarise(kind, sent, question.window))
    case 'stop':
      stop.abort()
      await Promise.all(running.map(({ ended }) => ended))
      return []
  }
}

async function start(
  kind: ClientKind,
  { url, day, pauseMs }: Extract<ClientQuestion, { do: 'start' }>,
): Promise<Running> {
  const client = new Client({ connectionString: url, application_name: 'bench client' })
  client.on('error', () => undefined)
  await client.connect()
  const sent: Sent[] = []
  const loop = async (): Promise<void> => {
    for (let turn = 0; !stop.signal.aborted; turn++) {
      const { text, values } = statementOf(kind, turn, day)
      const from = clockMs()
      const failed = await client.query(text, [...values]).then(() => undefined, codeOf)
      sent.push({ from, to: clockMs(), failed })
      await pause(pauseMs)
    }
    await client.end()
  }
  return { kind, sent, ended: loop() }
}

function codeOf(error: unknown): string {
  if (error instanceof DatabaseError) return error.code ?? error.message
  return error instanceof Error ? error.message : String(error)
}

/** A statement belongs to the window in which any part of it lies, so that one that began before a stall counts. */
function summarise(kind: ClientKind, sent: readonly Sent[], { from, to }: ClientWindow): ClientFigures {
  const inside = sent.filter((one) => one.to >= from && one.from <= to)
  const times = inside.map((one) => one.to - one.from)
  const errors: Record<string, number> = {}
  for (const { failed } of inside) if (failed !== undefined) errors[failed] = (errors[failed] ?? 0) + 1
  return {
    kind,
    statements: inside.length,
    p50Ms: rounded(percentile(times, 0.5)),
    p99Ms: rounded(percentile(times, 0.99)),
    maxMs: rounded(percentile(times, 1)),
    histogram: histogram(times),
    errors,
  }
}
