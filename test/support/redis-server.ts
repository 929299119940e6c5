/** Global setup: a real Redis for the tests that need one. */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import type { TestProject } from 'vitest/node'

export type TestRedis =
  | { readonly url: string }
  | {
      /** Completes the sentence "the Redis tests were skipped, because ...". */
      readonly missing: string
    }

declare module 'vitest' {
  interface ProvidedContext {
    readonly testRedis: TestRedis
  }
}

/**
 * `REDIS_URL` names a running server; otherwise one from the PATH is started, with nothing on disk.
 *
 * Without either the Redis tests are skipped, or with `PARTSMITH_REQUIRE_REDIS=1` the run fails.
 */
export default async function provideRedis(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env['REDIS_URL']
  if (given !== undefined && given !== '') {
    project.provide('testRedis', { url: given })
    return undefined
  }
  const program = findProgram('redis-server') ?? findProgram('valkey-server')
  if (program === undefined) {
    const missing = 'REDIS_URL is not set and neither redis-server nor valkey-server is on the PATH'
    if (process.env['PARTSMITH_REQUIRE_REDIS'] === '1') {
      throw new Error(`PARTSMITH_REQUIRE_REDIS is 1, but ${missing}.`)
    }
    project.provide('testRedis', { missing })
    return undefined
  }
  const redis = await startRedis(program)
  project.provide('testRedis', { url: redis.url })
  return () => redis.stop()
}

function findProgram(name: string): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map((directory) => join(directory, name))
  return places.find((place) => {
    try {
      accessSync(place, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** Ends the server when the pipe from the test run closes, which it does also when the run is killed. */
const keeper = `
  const { spawn } = require('node:child_process')
  const server = spawn(process.argv[1], process.argv.slice(2), { stdio: ['ignore', 'inherit', 'inherit'] })
  server.on('exit', (code) => process.exit(code ?? 1))
  process.stdin.on('end', () => server.kill('SIGTERM')).resume()
`

async function startRedis(program: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const settings = ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no']
    const child = spawn(
      process.execPath,
      ['--input-type=commonjs', '--eval', keeper, program, ...settings, '--dir', '/'],
      { detached: true, stdio: ['pipe', 'pipe', 'inherit'] },
    )
    const log = await readyOrEnded(child)
    if (child.exitCode === null) {
      return {
        url: `redis://127.0.0.1:${port}`,
        stop: () =>
          new Promise((resolve) => {
            child.once('exit', () => {
              resolve()
            })
            child.stdin.end()
          }),
      }
    }
    if (attempt === 5) throw new Error(`${program} did not start: ${log.trim()}`)
  }
}

function readyOrEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    let log = ''
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      log += chunk
      if (log.includes('Ready to accept connections')) resolve(log)
    })
    child.once('close', () => {
      resolve(log)
    })
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
      })
    })
  })
}
