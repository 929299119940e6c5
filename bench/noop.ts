/**
 * What does a run cost that has nothing to do?
 *
 * Builds tables whose partitions are all as wanted, and compares planning and maintenance with the bare catalog query
 * that any tool has to send, and with the peers on the very same tables, in one run. Prints JSON on standard output.
 */

import { Pool } from 'pg'

import type { DatabaseClient } from '../src/index.ts'
import { createPartsmith, fromPg } from '../src/index.ts'
import { askBare, oidsOf } from './bare-query.ts'
import { list, readOptions, wholeNumber } from './options.ts'
import { describeMachine, inMs, printReport, printTable, progress, ratio } from './report.ts'
import type { BenchServer } from './server.ts'
import { serverMajor, startBenchServer } from './server.ts'
import type { TableWish } from './tables.ts'
import { countPartitions, expectSameDay, makeDailyTable, settleCatalog, today } from './tables.ts'
import type { MaintenanceTool } from './tool.ts'
import { describeTools, findPeers, openTool, ourConfig, toolNames } from './tools.ts'
import type { Contestant, Figures } from './turns.ts'
import { measureInTurns } from './turns.ts'

const options = readOptions({
  shapes: ['100x30,1x5000,1000x30', 'tables x partitions of each'],
  repetitions: ['7', 'runs of each, after one to warm up; at most three with more than 500 tables'],
  default: ['no', 'yes: every table has an empty DEFAULT partition as well'],
  peers: ['partman,python', 'peers to compare with'],
  major: ['15', 'major version of the server'],
})

interface Shape {
  readonly tables: number
  readonly partitions: number
}

const peers = await findPeers(list(options('peers')))
const fallback = options('default') === 'yes'

interface ShapeFigures extends Shape {
  readonly repetitions: number
  readonly figures: readonly (Figures & {
    readonly overBareOncePerTable: number
    readonly overBareOnceForAll: number
    readonly overOurs: number
  })[]
  readonly oursInDetail: Readonly<Record<string, unknown>>
}

async function measure(shape: Shape, server: BenchServer): Promise<ShapeFigures> {
  const name = `noop_${shape.tables}x${shape.partitions}`
  const url = await server.createDatabase(name)
  const pool = new Pool({ connectionString: url, max: 5 })
  pool.on('error', () => undefined)
  const chosen = toolNames(peers).flatMap((tool) =>
    tool === 'ours' && shape.tables > 1 ? [tool, 'one by one' as const] : [tool],
  )
  const tools = await Promise.all(chosen.map((tool) => openTool(tool, url, peers)))
  try {
    const repetitions = Math.min(wholeNumber(options('repetitions')), shape.tables > 500 ? 3 : Infinity)
    progress(`${name}: making the tables`)
    const day = await today(pool)
    const wishes = await build(pool, shape)
    const names = wishes.map(({ table }) => table)
    const before = await countPartitions(pool, names)
    for (const tool of tools) await tool.prepare(wishes)
    progress(`${name}: measuring`)
    const figures = await measureInTurns(
      [...(await bareQueries(pool, names)), ourPlan(pool, wishes), ...tools.map(maintenance)],
      { warmUps: 1, repetitions },
    )
    await expectSameDay(pool, day)
    const after = await countPartitions(pool, names)
    if (before !== after)
      throw new Error(`${before} partitions became ${after}: this was no run without work.`)
    const msOf = (wanted: string): number =>
      figures.find(({ name }) => name === wanted)?.medianMs ?? Number.NaN
    return {
      tables: shape.tables,
      partitions: shape.partitions,
      repetitions,
      figures: figures.map((figure) => ({
        ...figure,
        overBareOncePerTable: ratio(figure.medianMs, msOf(oncePerTable)),
        overBareOnceForAll: ratio(figure.medianMs, msOf(onceForAll)),
        overOurs: ratio(figure.medianMs, msOf('ours: maintain')),
      })),
      oursInDetail: await inDetail(pool, wishes),
    }
  } finally {
    await Promise.all([...tools.map((tool) => tool.close()), pool.end()])
    await server.dropDatabase(name)
  }
}

async function build(pool: Pool, { tables, partitions }: Shape): Promise<readonly TableWish[]> {
  const wishes: TableWish[] = []
  for (let index = 0; index < tables; index++) {
    const table = `t_${index}`
    // A day more than is wanted: pg_partman rounds how far ahead it is, and in the afternoon wants the next day, too.
    await makeDailyTable(pool, { table, behind: partitions - 4, ahead: 4, fallback })
    wishes.push({ table, ahead: 3, keep: partitions })
  }
  await settleCatalog(pool)
  return wishes
}

const oncePerTable = 'bare catalog query, once per table'
const onceForAll = 'bare catalog query, once for all tables'

async function bareQueries(pool: Pool, names: readonly string[]): Promise<readonly Contestant[]> {
  const oids = await oidsOf(pool, names)
  const asking = (name: string, questions: readonly (readonly string[])[]): Contestant => ({
    name,
    once: async () => {
      const client = await pool.connect()
      try {
        const started = performance.now()
        for (const question of questions) await askBare(client, question)
        return performance.now() - started
      } finally {
        client.release()
      }
    },
  })
  return [
    asking(
      oncePerTable,
      oids.map((oid) => [oid]),
    ),
    asking(onceForAll, [oids]),
  ]
}

function ourPlan(pool: Pool, wishes: readonly TableWish[]): Contestant {
  const { service } = createPartsmith({ pool })
  const configs = wishes.map(ourConfig)
  return {
    name: 'ours: plan',
    once: async () => {
      const started = performance.now()
      for (const answer of await service.planFleet(configs)) {
        if ('error' in answer) throw answer.error
        if (answer.plan.operations.length > 0) throw new Error(`${answer.table.name} is not converged.`)
      }
      return performance.now() - started
    },
  }
}

function maintenance(tool: MaintenanceTool): Contestant {
  return {
    name: `${tool.name}: maintain`,
    once: async () => {
      const { ms, complaints } = await tool.maintain()
      if (complaints.length > 0) throw new Error(`${tool.name}: ${complaints.slice(0, 3).join('; ')}`)
      return ms
    },
  }
}

/** What one more run sends, and what planning all of them needs of memory. */
async function inDetail(pool: Pool, wishes: readonly TableWish[]): Promise<Record<string, unknown>> {
  const configs = wishes.map(ourConfig)
  const counted = counting(fromPg(pool))
  const partsmith = createPartsmith({ pool: counted.client })
  const statements = async (run: () => Promise<unknown>): Promise<number> => {
    const before = counted.statements()
    await run()
    return counted.statements() - before
  }
  const [config] = configs
  if (!config) throw new Error('There is no table.')
  return {
    statements: {
      'plan all tables': await statements(() => partsmith.service.planFleet(configs)),
      'maintain all tables': await statements(() =>
        partsmith.maintainFleet(configs.map((each) => ({ config: each }))),
      ),
      'maintain one table by itself': await statements(() => partsmith.maintain(config)),
    },
    memory: await memoryOf(() => partsmith.service.planFleet(configs)),
  }
}

/** The growth of the heap over the run, without collecting in between: an upper bound of what it needs at once. */
async function memoryOf(run: () => Promise<unknown>): Promise<Record<string, number>> {
  globalThis.gc?.()
  const before = process.memoryUsage()
  await run()
  const after = process.memoryUsage()
  return {
    heapGrowthMb: Math.round((after.heapUsed - before.heapUsed) / 104_857.6) / 10,
    residentMb: Math.round(after.rss / 1_048_576),
  }
}

function counting(client: DatabaseClient): { readonly client: DatabaseClient; statements(): number } {
  let sent = 0
  return {
    statements: () => sent,
    client: {
      ...client,
      capabilities: client.capabilities,
      cancel: (pid) => client.cancel(pid),
      connect: async () => {
        const connection = await client.connect()
        return {
          query: (text, values) => {
            sent++
            return connection.query(text, values)
          },
          release: (discard) => connection.release(discard),
          onLost: (listener) => connection.onLost(listener),
          openedWith: () => connection.openedWith?.(),
        }
      },
    },
  }
}

await using server = await startBenchServer({
  major: serverMajor(options('major')),
  extension: peers.partman.available ? peers.partman.files : [],
  settings: { max_locks_per_transaction: '256' },
})
const results: ShapeFigures[] = []
for (const shape of list(options('shapes'))) {
  const [tables = '', partitions = ''] = shape.split('x')
  results.push(
    await measure({ tables: wholeNumber(tables), partitions: Math.max(5, wholeNumber(partitions)) }, server),
  )
}
printReport({
  question: 'What does a run cost that has nothing to do?',
  postgres: server.version,
  settings: server.settings,
  defaultPartition: fallback,
  tools: describeTools(peers),
  notMeasured:
    'A busy server, a network between client and server, catalogs larger than memory, tables that have something to do, starting the tools.',
  results,
})
for (const { tables, partitions, repetitions, figures } of results) {
  printTable(
    `${tables} ${tables === 1 ? 'table' : 'tables'} of ${partitions} partitions, median of ${repetitions}. ${describeMachine(server.version)}`,
    figures.map(({ name, medianMs, overBareOnceForAll, overOurs }) => ({
      '': name,
      median: inMs(medianMs),
      'over the bare query': overBareOnceForAll,
      'over ours: maintain': overOurs,
    })),
  )
}
