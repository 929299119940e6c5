/**
 * How long does maintenance keep readers and writers waiting?
 *
 * Closed-loop clients work on a table while a tool creates one partition of it and retires one, in five situations, for
 * each tool on a copy of the same database. The same clients without maintenance are the baseline, just before, on the
 * same copy, in several windows as long. Prints JSON on standard output.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { Pool } from 'pg'

import type { ClientFigures } from './clients.ts'
import { startClients } from './clients.ts'
import { startLockSampler } from './lock-sampler.ts'
import { list, readOptions, wholeNumber } from './options.ts'
import { clockMs } from './own-process.ts'
import { describeMachine, printReport, printTable, progress, rounded, startCpuMeter } from './report.ts'
import { serverMajor, startBenchServer } from './server.ts'
import type { Situation } from './situations.ts'
import { fill, setAutovacuum, situations } from './situations.ts'
import type { NameStyle } from './tables.ts'
import { dayAfter, expectSameDay, makeDailyTable, partitionOf, renamePartitions, today } from './tables.ts'
import type { MaintenanceTool } from './tool.ts'
import { sessionName } from './tool.ts'
import type { ToolName } from './tools.ts'
import { describeTools, findPeers, openTool, toolNames } from './tools.ts'
import type { AttemptFigures, ClientComparison, Done, NextRun, Watched } from './verdict.ts'
import { inTables, verdictOf } from './verdict.ts'

const options = readOptions({
  rows: ['5000000', 'rows in DEFAULT'],
  references: ['3000000', 'rows of the referencing table'],
  reader: ['6000', 'milliseconds for which the reader is idle in its transaction'],
  window: ['5000', 'milliseconds of a window in which the clients are watched; with maintenance at least'],
  baselines: ['3', 'windows without maintenance, before each one with it'],
  pause: ['4', 'milliseconds that a client pauses after each statement'],
  rounds: ['3', 'how often each tool does it, each time on a fresh copy'],
  situations: ['quiet,default,reader,references,autovacuum', 'situations'],
  peers: ['partman,python', 'peers to compare with'],
  major: ['15', 'major version of the server'],
})
const windowMs = Math.max(1000, wholeNumber(options('window')))
const baselineWindows = wholeNumber(options('baselines'))
const peers = await findPeers(list(options('peers')))

/** Seven days behind and today with two more: one day further is to be made, and the oldest is to go. */
const shape = { table: 'ev', behind: 7, ahead: 3, fallback: true } as const
const wish = { table: 'ev', ahead: 4, keep: 7 } as const

await using server = await startBenchServer({
  major: serverMajor(options('major')),
  extension: peers.partman.available ? peers.partman.files : [],
  // No checkpoint of its own accord: it would fall into some windows and not into others.
  settings: { checkpoint_timeout: '1h', max_wal_size: '16GB' },
})

async function makeTemplate(situation: Situation): Promise<Date> {
  progress(`${situation.name}: making the table`)
  const pool = new Pool({ connectionString: await server.createDatabase('stall_template'), max: 1 })
  pool.on('error', () => undefined)
  try {
    const day = await today(pool)
    await makeDailyTable(pool, shape)
    await fill(pool, situation)
    return day
  } finally {
    await pool.end()
  }
}

interface Attempt {
  readonly situation: Situation
  readonly toolName: ToolName
  readonly round: number
  readonly day: Date
}

/** One tool, once, on a fresh copy. */
async function attempt({ situation, toolName, round, day }: Attempt): Promise<AttemptFigures> {
  const name = `stall_${toolName}`
  const style = toolName === 'partman' ? '_p' : '__'
  const url = await server.createDatabase(name, 'stall_template')
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  const tool = await openTool(toolName, url, peers)
  try {
    progress(`${situation.name}: ${tool.name}, round ${round}`)
    if (style === '__') await renamePartitions(pool, 'ev')
    await tool.prepare([wish])
    await pool.query('SELECT count(*) FROM ev')
    const watched = await watch(situation, tool, { url, day, pool })
    const isDone = (): Promise<Done> => whatIsDone(pool, day, style)
    const done = await isDone()
    await expectSameDay(pool, day)
    const complete = done.created && done.retired
    const next = complete ? undefined : await nextRun(tool, isDone)
    return {
      situation: situation.name,
      tool: tool.name,
      round,
      ...watched,
      done,
      ...(next && { nextRun: next }),
    }
  } finally {
    await tool.close()
    await pool.end()
    await server.dropDatabase(name)
  }
}

/** The clients at work: first without maintenance, then with it. */
async function watch(
  situation: Situation,
  tool: MaintenanceTool,
  { url, day, pool }: { readonly url: string; readonly day: Date; readonly pool: Pool },
): Promise<Watched> {
  const clients = await startClients({
    url,
    kinds: situation.clients,
    day: day.toISOString().slice(0, 10),
    pauseMs: Number(options('pause')),
  })
  const locks = await startLockSampler(url, sessionName)
  await sleep(1000)

  const cpu = startCpuMeter()
  const baselines: (readonly ClientFigures[])[] = []
  let cameAbout = true
  for (let window = 0; window < baselineWindows; window++) {
    const before = await situation.begin(url)
    const from = clockMs()
    await sleep(200)
    cameAbout &&= await before.isOn()
    await sleep(windowMs - 200)
    baselines.push(await clients.figures({ from, to: clockMs() }))
    await before.end()
  }
  const cpuBusy = cpu()

  const during = await situation.begin(url)
  await locks.record()
  const from = clockMs()
  await sleep(200)
  cameAbout &&= await during.isOn()
  const started = clockMs()
  const run = await maintainWithin(tool, pool, 120_000)
  const ended = clockMs()
  await sleep(Math.max(1000, windowMs - (ended - from)))
  const figures = await clients.figures({ from, to: clockMs() })
  const watchedMs = clockMs() - from
  await during.end()
  const held = await locks.stop()
  await clients.stop()
  return {
    situationCameAbout: cameAbout,
    maintenanceMs: rounded(ended - started),
    complaints: run.slice(0, 10),
    clients: sideBySide(baselines, figures),
    windowsMs: { baseline: windowMs, maintenance: rounded(watchedMs) },
    cpuBusy,
    locks: held,
  }
}

/** Ends the tool's sessions when it takes too long. */
async function maintainWithin(tool: MaintenanceTool, pool: Pool, ms: number): Promise<readonly string[]> {
  const run = tool.maintain()
  const inTime = new AbortController()
  const tooLong = sleep(ms, true, { signal: inTime.signal }).catch(() => false)
  const finished = run.then(() => false)
  if (!(await Promise.race([finished, tooLong]))) {
    inTime.abort()
    return (await run).complaints
  }
  await pool.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1', [
    sessionName,
  ])
  return [`not ready after ${ms} ms, so its sessions were ended`, ...(await run).complaints]
}

function sideBySide(
  baselines: readonly (readonly ClientFigures[])[],
  maintenance: readonly ClientFigures[],
): readonly ClientComparison[] {
  return maintenance.map((during) => ({
    kind: during.kind,
    without: baselines.flatMap((window) => window.filter(({ kind }) => kind === during.kind)),
    during,
  }))
}

async function whatIsDone(pool: Pool, day: Date, style: NameStyle): Promise<Done> {
  const fresh = dayAfter(day, wish.ahead - 1)
    .toISOString()
    .slice(0, 10)
  const { rows } = await pool.query<Done>(
    `SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = 'ev'::regclass AND pg_get_expr(c.relpartbound, 0) LIKE $1) AS created,
            NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
              WHERE i.inhparent = 'ev'::regclass AND c.relname = $2 AND NOT i.inhdetachpending) AS retired,
            to_regclass($2) IS NULL AS dropped`,
    [`FOR VALUES FROM ('${fresh} %`, partitionOf('ev', dayAfter(day, -shape.behind), style)],
  )
  return rows[0] ?? { created: false, retired: false, dropped: false }
}

/** What the next run does, when the situation is over and no client is there. */
async function nextRun(tool: MaintenanceTool, isDone: () => Promise<Done>): Promise<NextRun> {
  const { ms, complaints } = await tool.maintain()
  return { ms: rounded(ms), complaints: complaints.slice(0, 10), done: await isDone() }
}

const names = toolNames(peers)
const chosen = list(options('situations'))
const known = situations({
  rowsInDefault: wholeNumber(options('rows')),
  rowsReferencing: wholeNumber(options('references')),
  readerMs: wholeNumber(options('reader')),
})
for (const name of chosen) {
  if (!known.some((situation) => situation.name === name)) throw new Error(`There is no situation ${name}.`)
}
const results: AttemptFigures[] = []
const failures: Record<string, unknown>[] = []
for (const situation of known.filter(({ name }) => chosen.includes(name))) {
  await setAutovacuum(server, false)
  const day = await makeTemplate(situation)
  await setAutovacuum(server, situation.autovacuum)
  for (let round = 1; round <= wholeNumber(options('rounds')); round++) {
    // Another tool begins in each round.
    const first = (round - 1) % names.length
    for (const toolName of [...names.slice(first), ...names.slice(0, first)]) {
      try {
        results.push(await attempt({ situation, toolName, round, day }))
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        failures.push({ situation: situation.name, tool: toolName, round, message })
      }
    }
  }
  await server.dropDatabase('stall_template')
}
const verdict = verdictOf(results)
printReport({
  question: 'How long does maintenance keep readers and writers waiting?',
  postgres: server.version,
  settings: server.settings,
  tools: describeTools(peers),
  table: shape,
  wish,
  defaults:
    'Each tool has its default settings: all retire by detaching; ours drops in the same run, pg_partman keeps the table, pg-partsmith for Python drops it after days.',
  pauseMs: Number(options('pause')),
  situations: known
    .filter(({ name }) => chosen.includes(name))
    .map(({ name, what, clients }) => ({ name, what, clients })),
  notMeasured:
    'Inserts into the range that is being created, several maintainers at once, standbys, a network, durable commits, tables larger than memory, more clients than two cores can serve. A closed loop hides what would have been sent during a stall: a stall is one slow statement for each client, so look at the longest.',
  baseline: `The longest statement of a client without maintenance: the median of the longest ones of ${baselineWindows} windows just before, on the same copy in the same situation.`,
  verdict,
  failures,
  results,
})
printTable(describeMachine(server.version), inTables(verdict).longest)
printTable('What was done, and what it took', inTables(verdict).done)
