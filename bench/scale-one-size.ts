/**
 * Does one thing to one table, several times, in a process of its own, and prints what it took as JSON.
 *
 * Arguments: URL, table, what to do, how many partitions, how often.
 */

import { Pool } from 'pg'

import { createPartsmith, TablePartitionConfig } from '../src/index.ts'
import { askBare, oidsOf } from './bare-query.ts'

const [url = '', table = '', what = '', partitions = '', repetitions = ''] = process.argv.slice(2)
const pool = new Pool({ connectionString: url, max: 5 })
const partsmith = createPartsmith({ pool })
const config = new TablePartitionConfig({
  tableName: table,
  partitionColumn: 'at',
  granularity: 'day',
  createAheadCount: 3,
  retentionCount: Number(partitions),
})

async function once(): Promise<void> {
  switch (what) {
    case 'inspect':
      await partsmith.inspect(config)
      return
    case 'plan': {
      const { operations } = await partsmith.plan(config)
      if (operations.length > 0) throw new Error(`not converged: ${operations[0]?.id}`)
      return
    }
    case 'bare query':
      await askBare(pool, oids)
      return
    default:
      await pool.query('SELECT 1')
  }
}

/** In kilobytes on every platform, as libuv gives it. */
const peakMb = (): number => Math.round(process.resourceUsage().maxRSS / 102.4) / 10

const oids = await oidsOf(pool, [table])
const peakBeforeMb = peakMb()
const firstStarted = performance.now()
await once()
const firstMs = performance.now() - firstStarted
const peakAfterFirstMb = peakMb()
const timesMs: number[] = []
for (let repetition = 0; repetition < Number(repetitions); repetition++) {
  const started = performance.now()
  await once()
  timesMs.push(performance.now() - started)
}
await pool.end()
process.stdout.write(JSON.stringify({ firstMs, timesMs, peakBeforeMb, peakAfterFirstMb, peakMb: peakMb() }))
