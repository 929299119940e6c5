import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterEach, beforeEach, describe, expect, it } from 'vitest'

import type { CommandHookVectors, MaintenanceResult, TablePartitionOptions } from '../../src/index.ts'
import { commandHooks, createPartsmith } from '../../src/index.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, majors } from '../support/database.ts'

const now = '2026-03-15T12:00:00Z'
const wanted: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
}

/** What a program does with its event is no matter of the server's version. */
describe('a program as a hook', () => {
  let database: TestDatabase
  let folder: string
  beforeEach(async () => {
    const [major] = majors
    if (major === undefined) throw new Error('There is no server.')
    database = await createDatabase(major)
    await database.sql(`CREATE TABLE events (id bigint, at timestamptz NOT NULL) PARTITION BY RANGE (at)`)
    folder = mkdtempSync(join(tmpdir(), 'partsmith-hook-'))
  })
  afterEach(async () => {
    rmSync(folder, { recursive: true })
    await database.drop()
  })

  /** A Node program of these lines; `file` is a path in a folder of its own. */
  const node = (...lines: readonly string[]): readonly string[] => {
    const script = join(folder, `hook-${lines.length}.mjs`)
    const prelude = [
      `import { writeFileSync, readFileSync, renameSync } from 'node:fs'`,
      `const file = ${JSON.stringify(join(folder, 'said'))}`,
    ]
    writeFileSync(script, [...prelude, ...lines].join('\n'))
    return [process.execPath, script]
  }
  const said = (): string => readFileSync(join(folder, 'said'), 'utf8')

  const maintain = (
    vectors: CommandHookVectors,
    options: { hookTimeoutMs?: number; signal?: AbortSignal } = {},
  ): Promise<MaintenanceResult> => {
    const { signal, ...partsmith } = options
    const { maintainer } = createPartsmith({
      pool: database.pool,
      hooks: [commandHooks(vectors)],
      ...partsmith,
    })
    return maintainer.runMaintenanceSafe(wanted, { now, ...(signal && { signal }) })
  }

  it('gets its arguments as they are, without a shell, and the event as one line of JSON', async () => {
    const result = await maintain({
      afterCreate: [
        ...node(
          `const event = JSON.parse(readFileSync(0, 'utf8'))`,
          `writeFileSync(file, JSON.stringify({ args: process.argv.slice(2), phase: process.env.PG_PARTSMITH_PHASE, event }))`,
        ),
        '$HOME; rm -rf .',
        'two words',
      ],
    })
    expect(result).toMatchObject({ success: true, issues: [] })
    expect(JSON.parse(said())).toEqual({
      args: ['$HOME; rm -rf .', 'two words'],
      phase: 'afterCreate',
      event: {
        version: 1,
        phase: 'afterCreate',
        table: { schema: 'public', name: 'events' },
        partition: {
          schema: 'public',
          name: 'events__2026_03',
          oid: expect.stringMatching(/^\d+$/),
          from: '2026-03-01 00:00:00+00',
          to: '2026-04-01 00:00:00+00',
          state: 'current',
          rowEstimate: null,
          sizeBytes: null,
          detachedAt: null,
        },
        operation: 'create',
        reason: { code: 'create-ahead', text: expect.any(String) },
      },
    })
  })

  it('refuses by its exit status, and its last words are in the message', async () => {
    const result = await maintain({
      beforeCreate: node(`console.error('first line\\nthe disk is full')`, `process.exit(3)`),
    })
    expect(result).toMatchObject({ success: false, createdCount: 0, issues: [{ code: 'refused-by-hook' }] })
    expect(result.issues[0]?.message).toContain(`ended with status 3:\nfirst line\nthe disk is full.`)
  })

  it('shows where a program that failed said first what is wrong, not only the last line of its stack', async () => {
    const result = await maintain({
      beforeCreate: node(
        `function deep(n) { if (n === 0) throw new Error('the disk is full'); deep(n - 1) } deep(30)`,
      ),
    })
    expect(result.issues[0]?.message).toContain('Error: the disk is full\n')
    const long = await maintain({
      beforeCreate: node(`for (let n = 0; n < 100; n++) console.error('line ' + n)`, `process.exit(3)`),
    })
    expect(long.issues[0]?.message.match(/^line \d+\b/gm)).toHaveLength(20)
  })

  it('fails after the operation without taking it back', async () => {
    const result = await maintain({ afterCreate: node(`process.exit(1)`) })
    expect(result).toMatchObject({ success: true, createdCount: 1, issues: [{ severity: 'warning' }] })
    expect(result.issues[0]?.message).toContain('ended with status 1')
  })

  it('need not read its event', async () => {
    const result = await maintain({ beforeCreate: node(`process.stdin.destroy()`) })
    expect(result).toMatchObject({ success: true, createdCount: 1 })
  })

  it('that is not there refuses with a sentence', async () => {
    const result = await maintain({ beforeCreate: ['no-such-program-anywhere'] })
    expect(result.issues[0]?.message).toContain(
      'refused by hook: the program no-such-program-anywhere could not be started (spawn no-such-program-anywhere ENOENT)',
    )
  })

  it('that is empty, or of a phase that there is not, is refused with a sentence', () => {
    expect(() => commandHooks({ beforeCreate: [] })).toThrow('beforeCreate: There is no program')
    const typo = Object({ beforeDropp: ['archive'] })
    expect(() => commandHooks(typo)).toThrow('did you mean "beforeDrop"?')
  })

  it('that ended is not waited for because of what it left in the background', async () => {
    const result = await maintain({
      beforeCreate: node(
        `import { spawn } from 'node:child_process'`,
        `const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'inherit'] })`,
        `writeFileSync(file, String(child.pid))`,
        `child.unref(); process.exit(0)`,
      ),
    })
    expect(result).toMatchObject({ success: true, createdCount: 1 })
    process.kill(Number(said()), 'SIGKILL')
  })

  describe.each([
    { why: 'its time is over', hookTimeoutMs: 3_000, message: 'it did not finish within 3000 ms' },
    { why: 'the run is stopped', stops: true, message: 'aborted' },
  ])('when $why', ({ hookTimeoutMs, stops = false, message }) => {
    const stoppedRun = async (program: readonly string[]): Promise<MaintenanceResult> => {
      const stop = new AbortController()
      const running = maintain(
        { beforeCreate: program },
        { signal: stop.signal, ...(hookTimeoutMs !== undefined && { hookTimeoutMs }) },
      )
      if (stops) {
        await untilSaid()
        stop.abort()
      }
      return running
    }

    it('is ended, with everything that it started', async () => {
      const result = await stoppedRun(
        node(
          `import { spawn } from 'node:child_process'`,
          `const child = spawn('sleep', ['60'], { stdio: 'ignore' })`,
          `writeFileSync(file + '.new', process.pid + ' ' + child.pid); renameSync(file + '.new', file)`,
          `setInterval(() => undefined, 1000)`,
        ),
      )
      expect(result.createdCount).toBe(0)
      expect(result.errorCode ?? result.issues[0]?.message).toContain(message)
      await expectGone(said().split(' ').map(Number))
    })

    it('and it does not want to end, is killed before the run is over', async () => {
      const result = await stoppedRun(
        node(
          `process.on('SIGTERM', () => undefined)`,
          `writeFileSync(file + '.new', String(process.pid)); renameSync(file + '.new', file)`,
          `setInterval(() => undefined, 1000)`,
        ),
      )
      expect(result.createdCount).toBe(0)
      expect(isAlive(Number(said()))).toBe(false)
    })
  })

  async function untilSaid(): Promise<void> {
    for (;;) {
      try {
        if (said() !== '') return
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that has ended and that nobody has asked after yet is no process any more.
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function expectGone(pids: readonly number[]): Promise<void> {
  expect(pids.every((pid) => pid > 0)).toBe(true)
  while (pids.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 5))
}
