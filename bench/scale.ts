/**
 * How do the time and the memory of reading and deciding grow with the number of partitions?
 *
 * Inspects and plans one converged table of each size, each in a process of its own, whose peak of resident memory is
 * the operating system's word. Prints JSON on standard output.
 */

import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'

import { list, readOptions, wholeNumber } from './options.ts'
import { run } from './peers/folder.ts'
import { describeMachine, inMs, median, printReport, printTable, progress, ratio, rounded } from './report.ts'
import type { BenchServer } from './server.ts'
import { serverMajor, startBenchServer } from './server.ts'
import { countPartitions, expectSameDay, makeVastTable, settleCatalog, today } from './tables.ts'

const options = readOptions({
  sizes: ['100,1000,5000,20000', 'partitions of the tables'],
  repetitions: ['3', 'runs in each process, after the first'],
  processes: ['3', 'processes for each size and activity, in turns'],
  major: ['18', 'major version of the server'],
})
const repetitions = wholeNumber(options('repetitions'))
const processes = wholeNumber(options('processes'))
const activities = ['nothing', 'bare query', 'inspect', 'plan'] as const

interface OneSize {
  readonly firstMs: number
  readonly timesMs: readonly number[]
  readonly peakBeforeMb: number
  readonly peakAfterFirstMb: number
  readonly peakMb: number
}

interface ActivityFigures {
  readonly activity: string
  readonly medianMs: number
  readonly firstMs: number
  readonly overBareQuery: number
  readonly microsecondsPerPartition: number
  readonly peakMbBefore: number
  readonly peakMbAfterOne: number
  readonly peakMbAfterAll: number
}

interface SizeFigures {
  readonly partitions: number
  readonly madeInSeconds: number
  readonly figures: readonly ActivityFigures[]
}

const program = fileURLToPath(new URL('scale-one-size.js', import.meta.url))

async function measure(server: BenchServer, size: number): Promise<SizeFigures> {
  const url = await server.createDatabase(`scale_${size}`)
  const pool = new Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined)
  try {
    progress(`${size} partitions: making the table`)
    const day = await today(pool)
    const started = performance.now()
    await makeVastTable(pool, { table: 'events', behind: size - 3, ahead: 3, fallback: false })
    await settleCatalog(pool)
    const madeInSeconds = rounded((performance.now() - started) / 1000)
    if ((await countPartitions(pool, ['events'])) !== size)
      throw new Error(`There are not ${size} partitions.`)
    progress(`${size} partitions: measuring`)
    const figures = activities.map((activity) => ({ activity, runs: new Array<OneSize>() }))
    for (let round = 0; round < processes; round++) {
      for (const { activity, runs } of figures) {
        const args = [program, url, 'events', activity, String(size), String(repetitions)]
        const printed: OneSize = JSON.parse(await run(process.execPath, args))
        runs.push(printed)
      }
    }
    await expectSameDay(pool, day)
    const bare = figures.find(({ activity }) => activity === 'bare query')?.runs ?? []
    const bareMs = median(bare.flatMap(({ timesMs }) => timesMs))
    return {
      partitions: size,
      madeInSeconds,
      figures: figures.map(({ activity, runs }) => describe(activity, runs, { bareMs, size })),
    }
  } finally {
    await pool.end()
    await server.dropDatabase(`scale_${size}`)
  }
}

/** Medians of the times over all processes, and the highest of their peaks. */
function describe(
  activity: string,
  runs: readonly OneSize[],
  { bareMs, size }: { readonly bareMs: number; readonly size: number },
): ActivityFigures {
  const ms = median(runs.flatMap(({ timesMs }) => timesMs))
  const highest = (peakOf: (one: OneSize) => number): number => Math.max(...runs.map(peakOf))
  return {
    activity,
    medianMs: ms,
    firstMs: median(runs.map(({ firstMs }) => firstMs)),
    overBareQuery: ratio(ms, bareMs),
    microsecondsPerPartition: rounded((ms * 1000) / size),
    peakMbBefore: highest(({ peakBeforeMb }) => peakBeforeMb),
    peakMbAfterOne: highest(({ peakAfterFirstMb }) => peakAfterFirstMb),
    peakMbAfterAll: highest(({ peakMb }) => peakMb),
  }
}

interface Growth {
  readonly activity: string
  readonly from: number
  readonly to: number
  /** How many times as many, as long, and as much memory above that of the process that does nothing. */
  readonly partitions: number
  readonly time: number
  readonly memory: number
  /** The power of the number of partitions with which the time grows. */
  readonly timeExponent: number
  readonly noWorseThanLinear: boolean
}

/** From each size to the next, and from the second smallest to the largest: below, what is fixed counts most. */
function growthOf(sizes: readonly SizeFigures[]): readonly Growth[] {
  const sorted = sizes.toSorted((a, b) => a.partitions - b.partitions)
  const steps = sorted.slice(1).map((large, index) => [sorted[index], large] as const)
  const whole = sorted.length > 2 ? [[sorted[1], sorted.at(-1)] as const] : []
  return [...steps, ...whole].flatMap(([small, large]) =>
    small && large ? ['inspect', 'plan'].map((activity) => growthBetween(activity, small, large)) : [],
  )
}

function growthBetween(activity: string, small: SizeFigures, large: SizeFigures): Growth {
  const of = (size: SizeFigures, name: string): ActivityFigures | undefined =>
    size.figures.find((figure) => figure.activity === name)
  const ms = (size: SizeFigures): number => of(size, activity)?.medianMs ?? Number.NaN
  const above = (size: SizeFigures): number =>
    Math.max(1, (of(size, activity)?.peakMbAfterAll ?? 0) - (of(size, 'nothing')?.peakMbAfterAll ?? 0))
  const partitions = large.partitions / small.partitions
  const [time, memory] = [ms(large) / ms(small), above(large) / above(small)]
  return {
    activity,
    from: small.partitions,
    to: large.partitions,
    partitions: ratio(partitions, 1),
    time: ratio(time, 1),
    memory: ratio(memory, 1),
    timeExponent: ratio(Math.log(time), Math.log(partitions)),
    // A tenth is within what two measurements differ by.
    noWorseThanLinear: time <= partitions * 1.1 && memory <= partitions * 1.1,
  }
}

await using server = await startBenchServer({
  major: serverMajor(options('major')),
  settings: { max_locks_per_transaction: '256' },
})
const results: SizeFigures[] = []
for (const size of list(options('sizes'))) {
  results.push(await measure(server, Math.max(4, wholeNumber(size))))
}
const growth = growthOf(results)
printReport({
  question: 'How do the time and the memory of reading and deciding grow with the number of partitions?',
  postgres: server.version,
  settings: server.settings,
  repetitions,
  processes,
  memory:
    'Peak of resident memory of the whole process. "Before" is Node with the library loaded and a connection; "nothing" sends SELECT 1.',
  notMeasured:
    'Memory of the server, indexes and foreign keys on the table, partitions below partitions, rows in a DEFAULT partition, changing something.',
  growth,
  results,
})
const figureOf = ({ figures }: SizeFigures, wanted: string): ActivityFigures | undefined =>
  figures.find(({ activity }) => activity === wanted)
const megabytes = (mb = Number.NaN): string => `${Math.round(mb)} MB`
printTable(
  describeMachine(server.version),
  results.map((size) => {
    const [bare, inspect, plan] = ['bare query', 'inspect', 'plan'].map((name) => figureOf(size, name))
    return {
      partitions: size.partitions.toLocaleString('en-US'),
      'bare query': inMs(bare?.medianMs ?? Number.NaN),
      inspect: inMs(inspect?.medianMs ?? Number.NaN),
      'inspect over it': rounded(inspect?.overBareQuery ?? Number.NaN),
      plan: inMs(plan?.medianMs ?? Number.NaN),
      'plan over it': rounded(plan?.overBareQuery ?? Number.NaN),
      'peak memory of a plan': megabytes(plan?.peakMbAfterAll),
    }
  }),
)
const whole = growth.slice(-2)
process.stderr.write(
  [
    `\nNode itself takes ${megabytes(Math.max(...results.map((size) => figureOf(size, 'nothing')?.peakMbAfterAll ?? 0)))}.`,
    ...whole.map(
      ({ activity, from, to, partitions, time, timeExponent, memory }) =>
        ` From ${from.toLocaleString('en-US')} to ${to.toLocaleString('en-US')} partitions, ${partitions} times as many, ${activity} takes ${time} times as long (exponent ${timeExponent}, 1 is linear) and ${memory} times the memory above Node's.`,
    ),
    '\n',
  ].join(''),
)
