/**
 * How do the time and the memory of reading and deciding grow with the number of partitions?
 *
 * Inspects and plans one converged table of each size, each in a process of its own, whose peak of resident memory is
 * the operating system's word. Prints JSON on standard output.
 */

import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'

import { list, readOptions, wholeNumber } from './options.ts'
import { run } from './peers/folder.ts'
import { median, printReport, progress, ratio, rounded } from './report.ts'
import type { BenchServer } from './server.ts'
import { serverMajor, startBenchServer } from './server.ts'
import { countPartitions, expectSameDay, makeDailyTable, settleCatalog, today } from './tables.ts'

const options = readOptions({
  sizes: ['100,1000,5000,20000', 'partitions of the tables'],
  repetitions: ['5', 'runs in each process, after the first'],
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

/** Compiles the measured program to plain JavaScript in a temporary folder, where it finds this checkout's packages. */
async function compile(folder: string): Promise<string> {
  const root = fileURLToPath(new URL('..', import.meta.url))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  const settings = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      rootDir: root,
      outDir: join(folder, 'built'),
      typeRoots: [join(root, 'node_modules', '@types')],
      noEmit: false,
      declaration: false,
      isolatedDeclarations: false,
      allowImportingTsExtensions: false,
      rewriteRelativeImportExtensions: true,
    },
    include: [join(root, 'bench', 'scale-one-size.ts')],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  await run(process.execPath, [compiler, '-p', join(folder, 'tsconfig.json')])
  return join(folder, 'built', 'bench', 'scale-one-size.js')
}

async function measure(server: BenchServer, program: string, size: number): Promise<Record<string, unknown>> {
  const url = await server.createDatabase(`scale_${size}`)
  const pool = new Pool({ connectionString: url, max: 2 })
  pool.on('error', () => undefined)
  try {
    progress(`${size} partitions: making the table`)
    const day = await today(pool)
    const started = performance.now()
    await makeDailyTable(pool, {
      table: 'events',
      behind: size - 3,
      ahead: 3,
      fallback: false,
      indexes: false,
    })
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
      figures: figures.map(({ activity, runs }) => ({ activity, ...describe(runs, bareMs, size) })),
    }
  } finally {
    await pool.end()
    await server.dropDatabase(`scale_${size}`)
  }
}

/** Medians of the times over all processes, and the highest of their peaks. */
function describe(runs: readonly OneSize[], bareMs: number, size: number): Record<string, number> {
  const ms = median(runs.flatMap(({ timesMs }) => timesMs))
  const highest = (peakOf: (one: OneSize) => number): number => Math.max(...runs.map(peakOf))
  return {
    medianMs: ms,
    firstMs: median(runs.map(({ firstMs }) => firstMs)),
    overBareQuery: ratio(ms, bareMs),
    microsecondsPerPartition: rounded((ms * 1000) / size),
    peakMbBefore: highest(({ peakBeforeMb }) => peakBeforeMb),
    peakMbAfterOne: highest(({ peakAfterFirstMb }) => peakAfterFirstMb),
    peakMbAfterAll: highest(({ peakMb }) => peakMb),
  }
}

const folder = await mkdtemp(join(tmpdir(), 'pg-partsmith-bench-scale-'))
try {
  const program = await compile(folder)
  await using server = await startBenchServer({
    major: serverMajor(options('major')),
    settings: { max_locks_per_transaction: '256' },
  })
  const results = []
  for (const size of list(options('sizes'))) {
    results.push(await measure(server, program, Math.max(4, wholeNumber(size))))
  }
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
    results,
  })
} finally {
  await rm(folder, { recursive: true, force: true })
}
