/**
 * What does it cost to create partitions?
 *
 * One new partition for each of many tables, and many partitions for one table: by each tool on tables of its own that
 * are made alike, and by psql with the same DDL as text. In turns, in one run. Prints JSON on standard output.
 */

import { Pool } from 'pg'

import { createPartsmith } from '../src/index.ts'
import { list, readOptions, wholeNumber } from './options.ts'
import type { TextSender } from './peers/psql.ts'
import { findTextSender } from './peers/psql.ts'
import { printReport, progress, ratio } from './report.ts'
import type { BenchServer } from './server.ts'
import { serverMajor, startBenchServer } from './server.ts'
import type { TableWish } from './tables.ts'
import { countPartitions, expectSameDay, makeDailyTable, settleCatalog, today } from './tables.ts'
import type { MaintenanceTool } from './tool.ts'
import { describeTools, findPeers, openTool, ourConfig, toolNames } from './tools.ts'
import type { Contestant, Figures } from './turns.ts'
import { measureInTurns } from './turns.ts'

const options = readOptions({
  tables: ['200', 'tables that get one new partition each'],
  partitions: ['1000', 'new partitions for one table, at most 1000'],
  repetitions: ['3', 'rounds, after one to warm up'],
  default: ['no', 'yes: every table has an empty DEFAULT partition as well'],
  peers: ['partman,python', 'peers to compare with'],
  major: ['15', 'major version of the server'],
})
const repetitions = wholeNumber(options('repetitions'))
const fallback = options('default') === 'yes'
const peers = await findPeers(list(options('peers')))

/** What one contestant does in one round. */
interface Work {
  readonly wishes: readonly TableWish[]
  /** How many partitions there must be more when it is done. */
  readonly expected: number
}
type NextWork = (pool: Pool, round: number) => Promise<Work>

/** What a contestant works on. */
interface Bench {
  readonly pool: Pool
  readonly next: NextWork
  /** Told how many partitions were made in a round. */
  readonly note: (made: number) => void
}

/** The same tables in every round, which want one more partition each. */
function onePartitionForEach(tables: readonly string[]): NextWork {
  return async (pool, round) => {
    if (round === 0) {
      for (const table of tables) await makeDailyTable(pool, { table, behind: 5, ahead: 3, fallback })
    }
    return { wishes: tables.map((table) => ({ table, ahead: 4 + round })), expected: tables.length }
  }
}

/** Another table in every round, with the partition of yesterday alone. */
function manyForOne(partitions: number): NextWork {
  return async (pool, round) => {
    const table = `many_${round}`
    await makeDailyTable(pool, { table, behind: 1, ahead: 0, fallback })
    return { wishes: [{ table, ahead: partitions }], expected: partitions }
  }
}

/** Every contestant has a database of its own, so that none reads what another has made. */
async function measure(
  server: BenchServer,
  name: string,
  next: NextWork,
): Promise<Readonly<Record<string, unknown>>> {
  const contestants: Contestant[] = []
  const closers: (() => Promise<void>)[] = []
  const made: number[][] = []
  try {
    let sender = ''
    for (const contestant of [...toolNames(peers), 'psql'] as const) {
      const url = await server.createDatabase(`create_${contestant}`)
      const pool = new Pool({ connectionString: url, max: 5 })
      pool.on('error', () => undefined)
      closers.push(() => pool.end())
      const counts: number[] = []
      made.push(counts)
      const bench: Bench = { pool, next, note: (count) => void counts.push(count) }
      if (contestant === 'psql') {
        const text = await findTextSender(url)
        sender = text.name
        contestants.push(bySql(text, bench))
      } else {
        const tool = await openTool(contestant, url, peers)
        closers.unshift(() => tool.close())
        contestants.push(byTool(tool, bench))
      }
    }
    progress(`${name}: measuring`)
    const figures = await measureInTurns(contestants, { warmUps: 1, repetitions })
    return {
      work: name,
      sender,
      figures: describe(figures).map((figure, index) => ({ ...figure, partitionsMade: made[index]?.at(-1) })),
    }
  } finally {
    for (const close of closers) await close()
  }
}

function byTool(tool: MaintenanceTool, bench: Bench): Contestant {
  return {
    name: tool.name,
    once: checked(bench, async ({ wishes }) => {
      await tool.prepare(wishes)
      return async () => {
        const { ms, complaints } = await tool.maintain()
        if (complaints.length > 0) throw new Error(`${tool.name}: ${complaints.slice(0, 3).join('; ')}`)
        return ms
      }
    }),
  }
}

function bySql(sender: TextSender, bench: Bench): Contestant {
  const { service } = createPartsmith({ pool: bench.pool })
  return {
    name: 'the same DDL as text',
    once: checked(bench, async ({ wishes }) => {
      const texts: string[] = []
      for (const config of wishes.map(ourConfig)) {
        texts.push(await service.renderSql(config, await service.plan(config)))
      }
      return () => sender.send(texts.join('\n'))
    }),
  }
}

/**
 * Makes the tables, lets the work be done, and counts what was made; only the work is measured.
 *
 * More than was asked for is no failure, and stands in the report: pg_partman counts far days ahead in months of 30 days.
 */
function checked(
  { pool, next, note }: Bench,
  begin: (work: Work) => Promise<() => Promise<number>>,
): () => Promise<number> {
  let round = 0
  return async () => {
    const work = await next(pool, round++)
    const names = work.wishes.map(({ table }) => table)
    await settleCatalog(pool)
    const before = await countPartitions(pool, names)
    const finish = await begin(work)
    const ms = await finish()
    const made = (await countPartitions(pool, names)) - before
    if (made < work.expected) throw new Error(`${made} partitions were made in place of ${work.expected}.`)
    note(made)
    return ms
  }
}

function describe(figures: readonly Figures[]): readonly Record<string, unknown>[] {
  const msOf = (wanted: string): number => figures.find(({ name }) => name === wanted)?.medianMs ?? Number.NaN
  return figures.map((figure) => ({
    ...figure,
    overText: ratio(figure.medianMs, msOf('the same DDL as text')),
    overOurs: ratio(figure.medianMs, msOf('ours')),
  }))
}

await using server = await startBenchServer({
  major: serverMajor(options('major')),
  extension: peers.partman.available ? peers.partman.files : [],
  settings: { max_locks_per_transaction: '256' },
})
const clock = new Pool({ connectionString: await server.createDatabase('create_clock'), max: 1 })
clock.on('error', () => undefined)
const day = await today(clock)
const tables = wholeNumber(options('tables'))
const partitions = wholeNumber(options('partitions'))
const results = [
  await measure(
    server,
    `one new partition for each of ${tables} tables`,
    onePartitionForEach(Array.from({ length: tables }, (_, index) => `t_${index}`)),
  ),
  await measure(server, `${partitions} new partitions for one table`, manyForOne(partitions)),
]
await expectSameDay(clock, day)
await clock.end()
printReport({
  question: 'What does it cost to create partitions?',
  postgres: server.version,
  settings: server.settings,
  defaultPartition: fallback,
  repetitions,
  tools: describeTools(peers),
  text: 'What renderSql gives: every statement that does not depend on an answer. The comment that marks a table until it is attached is not among them.',
  notMeasured:
    'A busy table, a network between client and server, durable commits, grants and policies to hand down, starting the tools other than psql.',
  results,
})
