/** Looks at the locks of the maintenance sessions again and again, in a process of its own. */

import { setTimeout as pause } from 'node:timers/promises'
import { Client } from 'pg'

import type { LockFigures, LockHold, SamplerQuestion } from './lock-sampler.ts'
import { clockMs, endWithTheAsker, reply } from './own-process.ts'
import { histogram, median, percentile, rounded } from './report.ts'

interface Held {
  readonly oid: string
  readonly mode: string
  readonly granted: boolean
  readonly ms: number
}

const ask = `
SELECT l.pid::text, l.relation::text AS oid, l.mode, l.granted
FROM pg_locks l
WHERE l.locktype = 'relation' AND l.relation >= 16384
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.pid IN (SELECT pid FROM pg_stat_activity WHERE application_name = $1)`

interface Row {
  readonly pid: string
  readonly oid: string
  readonly mode: string
  readonly granted: boolean
}

/** What is held now, by session, relation and mode, since the sample at which it was seen first. */
const open = new Map<string, { readonly row: Row; readonly since: number }>()
const closed: Held[] = []
const gaps: number[] = []
/** Tables by OID, learned when they are seen first: what is dropped later has no name any more. */
const names = new Map<string, string>()
let recording = false
const stop = new AbortController()
let sampling: Promise<void> = Promise.resolve()

endWithTheAsker()
process.on('message', (question: SamplerQuestion) => {
  reply(answer(question))
})

async function answer(question: SamplerQuestion): Promise<LockFigures | undefined> {
  switch (question.do) {
    case 'start': {
      const client = new Client({ connectionString: question.url, application_name: 'bench lock sampler' })
      client.on('error', () => undefined)
      await client.connect()
      sampling = sample(client, question.sessions)
      return undefined
    }
    case 'record':
      recording = true
      return undefined
    case 'stop':
      stop.abort()
      await sampling
      return figures()
  }
}

async function sample(client: Client, sessions: string): Promise<void> {
  let last = clockMs()
  while (!stop.signal.aborted) {
    const { rows } = await client.query<Row>({ name: 'locks', text: ask, values: [sessions] })
    const now = clockMs()
    if (recording) {
      gaps.push(now - last)
      note(rows, now)
      const unknown = [...new Set(rows.map(({ oid }) => oid))].filter((oid) => !names.has(oid))
      if (unknown.length > 0) await learn(client, unknown)
    }
    last = now
    await pause(Math.max(0, 1 - (clockMs() - now)))
  }
  note([], clockMs())
  await learn(
    client,
    closed.map(({ oid }) => oid).filter((oid) => !names.has(oid)),
  )
  await client.end()
}

function note(rows: readonly Row[], now: number): void {
  const seen = new Set<string>()
  for (const row of rows) {
    const key = `${row.pid} ${row.oid} ${row.mode} ${row.granted}`
    seen.add(key)
    if (!open.has(key)) open.set(key, { row, since: now })
  }
  for (const [key, { row, since }] of open) {
    if (seen.has(key)) continue
    open.delete(key)
    closed.push({ oid: row.oid, mode: row.mode, granted: row.granted, ms: now - since })
  }
}

/** Tables alone get a name; indexes and what goes with a table are locked with it. */
async function learn(client: Client, oids: readonly string[]): Promise<void> {
  const { rows } = await client.query<{ oid: string; name: string; kind: string }>(
    'SELECT oid::text, relname AS name, relkind::text AS kind FROM pg_class WHERE oid = ANY ($1::oid[])',
    [oids],
  )
  for (const { oid, name, kind } of rows) names.set(oid, kind === 'r' || kind === 'p' ? name : '')
}

function figures(): LockFigures {
  const groups = new Map<string, Held[]>()
  for (const held of closed) {
    const name = names.get(held.oid) ?? ''
    if (name === '') continue
    const key = `${name}\n${held.mode}\n${held.granted}`
    groups.set(key, [...(groups.get(key) ?? []), held])
  }
  const holds = [...groups].map(([key, group]) => {
    const [relation = '', mode = '', granted] = key.split('\n')
    return { granted: granted === 'true', hold: holdOf(relation, mode, group) }
  })
  const sorted = holds.toSorted((a, b) => b.hold.totalMs - a.hold.totalMs)
  const of = (wanted: boolean): readonly LockHold[] =>
    sorted.filter(({ granted }) => granted === wanted).map(({ hold }) => hold)
  return {
    samples: gaps.length,
    everyMs: median(gaps),
    longestGapMs: rounded(percentile(gaps, 1)),
    held: of(true),
    waitedFor: of(false),
  }
}

function holdOf(relation: string, mode: string, group: readonly Held[]): LockHold {
  const times = group.map(({ ms }) => ms)
  return {
    relation,
    mode,
    times: times.length,
    longestMs: rounded(percentile(times, 1)),
    totalMs: rounded(times.reduce((sum, ms) => sum + ms, 0)),
    histogram: histogram(times),
  }
}
