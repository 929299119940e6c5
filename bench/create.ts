/**
 * What does it cost to create partitions?
 *
 * One new partition for each of many tables, and many partitions for one table: by each tool on tables of its own that
 * are made alike, and by psql with the same statements as text. In turns, in one run. Prints JSON on standard output.
 */

import { Pool } from 'pg'

import { createPartsmith } from '../src/index.ts'
import { list, readOptions, wholeNumber } from './options.ts'
import type { TextSender } from './peers/psql.ts'
import { findTextSender } from './peers/psql.ts'
import { describeMachine, inMs, printReport, printTable, progress, ratio } from './report.ts'
import type { BenchServer } from './server.ts'
import { serverMajor, startBenchServer } from './server.ts'
import type { TableWish } from './tables.ts'
import { countPartitions, expectSameDay, makeDailyTable, settleCatalog, today } from './tables.ts'
import type { MaintenanceTool } from './tool.ts'
import type { ToolName } from './tools.ts'
import { describeTools, findPeers, openTool, ourConfig, toolNames } from './tools.ts'
import type { Contestant, Figures } from './turns.ts'
import { measureInTurns } from './turns.ts'

const options = readOptions({
  tables: ['200', 'tables that get one new partition each'],
  partitions: ['1000', 'new partitions for one table, at most 1000'],
  repetitions: ['5', 'rounds, after one to warm up; at most three of the many for one table'],
  default: ['no', 'yes: every table has an empty DEFAULT partition as well'],
  peers: ['partman,python', 'peers to compare with'],
  major: ['15', 'major version of the server'],
})
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

interface WorkFigures {
  readonly work: string
  readonly repetitions: number
  readonly sender: string
  readonly figures: readonly (Figures & {
    readonly overText: number
    readonly overDdl: number
    readonly overOurs: number
    readonly partitionsMade: number
  })[]
}

interface WorkWanted {
  readonly name: string
  readonly next: NextWork
  readonly repetitions: number
  readonly tools: readonly ToolName[]
}

/** Every contestant has a database of its own, so that none reads what another has made. */
async function measure(server: BenchServer, wanted: WorkWanted): Promise<WorkFigures> {
  const { name, next, repetitions, tools } = wanted
  const contestants: Contestant[] = []
  const closers: (() => Promise<void>)[] = []
  const made: number[][] = []
  try {
    let sender = ''
    for (const contestant of [...tools, wholeText, ddlText] as const) {
      const url = await server.createDatabase(`create_${contestants.length}`)
      const pool = new Pool({ connectionString: url, max: 5 })
      pool.on('error', () => undefined)
      closers.push(() => pool.end())
      const counts: number[] = []
      made.push(counts)
      const bench: Bench = { pool, next, note: (count) => void counts.push(count) }
      if (contestant === wholeText || contestant === ddlText) {
        const text = await findTextSender(url)
        sender = text.name
        contestants.push(bySql(contestant, text, bench))
      } else {
        const tool = await openTool(contestant, url, peers)
        closers.unshift(() => tool.close())
        contestants.push(byTool(tool, bench))
      }
    }
    progress(`${name}: measuring`)
    const figures = await measureInTurns(contestants, { warmUps: 1, repetitions })
    return { work: name, repetitions, sender, figures: describe(figures, made) }
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

const wholeText = 'all statements as text'
const ddlText = 'the DDL alone as text'

function bySql(name: typeof wholeText | typeof ddlText, sender: TextSender, bench: Bench): Contestant {
  const { metadata, repo, service } = createPartsmith({ pool: bench.pool })
  return {
    name,
    once: checked(bench, async ({ wishes }) => {
      const texts: string[] = []
      for (const config of wishes.map(ourConfig)) {
        const { operations, table } = await service.plan(config)
        const { server: facts } = await metadata.readTree(table)
        const text = withComments(operations.map((one) => `${repo.renderOperation(one, facts)}\n`).join('\n'))
        texts.push(name === ddlText ? withoutQuestions(text) : text)
      }
      return () => sender.send(texts.join('\n'))
    }),
  }
}

/** Puts a comment where the text only says that one is written, of the length that ours has. */
function withComments(text: string): string {
  const marker = `built: ${'x'.repeat(280)}`
  return text.replaceAll(
    /^-- found at run time: .*(COMMENT ON TABLE \S+ IS) (.*)$/gm,
    (_, begin: string, what: string) => `${begin} ${what.startsWith("'<marker") ? `'${marker}'` : 'NULL'};`,
  )
}

/** Leaves out what only asks whether all is as it was planned. */
function withoutQuestions(text: string): string {
  return text
    .split(/(?<=;)\n/)
    .filter((statement) => !isQuestion(statement))
    .join('\n')
}

function isQuestion(statement: string): boolean {
  return /^SELECT (?!pg_catalog\.set_config)/.test(statement.replaceAll(/^(--.*)?\n/gm, ''))
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

function describe(figures: readonly Figures[], made: readonly (readonly number[])[]): WorkFigures['figures'] {
  const msOf = (wanted: string): number => figures.find(({ name }) => name === wanted)?.medianMs ?? Number.NaN
  return figures.map((figure, index) => ({
    ...figure,
    overText: ratio(figure.medianMs, msOf(wholeText)),
    overDdl: ratio(figure.medianMs, msOf(ddlText)),
    overOurs: ratio(figure.medianMs, msOf('ours')),
    partitionsMade: made[index]?.at(-1) ?? 0,
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
const repetitions = wholeNumber(options('repetitions'))
const results = [
  await measure(server, {
    name: `${tables} tables, one each`,
    next: onePartitionForEach(Array.from({ length: tables }, (_, index) => `t_${index}`)),
    repetitions,
    tools: toolNames(peers).flatMap((tool) => (tool === 'ours' ? [tool, 'one by one'] : [tool])),
  }),
  await measure(server, {
    name: `${partitions.toLocaleString('en-US')} for one table`,
    next: manyForOne(partitions),
    repetitions: Math.min(repetitions, 3),
    tools: toolNames(peers),
  }),
]
await expectSameDay(clock, day)
await clock.end()
printReport({
  question: 'What does it cost to create partitions?',
  postgres: server.version,
  settings: server.settings,
  defaultPartition: fallback,
  tools: describeTools(peers),
  text: 'What renderOperation gives, with comments as long as ours. The DDL alone: without the questions whether all is as planned.',
  notMeasured:
    'A busy table, a network between client and server, durable commits, grants and policies to hand down, starting the tools other than psql.',
  results,
})
const contestants = new Set(results.flatMap(({ figures }) => figures.map(({ name }) => name)))
printTable(
  `${describeMachine(server.version)}; medians of ${results.map((one) => one.repetitions).join(' and ')}`,
  [...contestants].map((name) =>
    Object.assign({ '': name }, ...results.map((work) => columnsOf(work, name))),
  ),
)

/** The two columns of a work in the one table. */
function columnsOf(
  { work, figures }: WorkFigures,
  wanted: string,
): Readonly<Record<string, string | number>> {
  const figure = figures.find(({ name }) => name === wanted)
  return {
    [work]: figure ? inMs(figure.medianMs) : '',
    [`${work}: over ${wholeText}`]: figure?.overText ?? '',
  }
}
