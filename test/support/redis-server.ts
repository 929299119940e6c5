/** Global setup: a real Redis for the tests that need one. */

import type { TestProject } from 'vitest/node'

import { findProgram, startOnFreePort } from './started-program.ts'

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

async function startRedis(program: string): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const redis = await startOnFreePort({
    program,
    args: (port) =>
      ['--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'].concat([
        '--dir',
        '/',
      ]),
    isReady: (log) => log.includes('Ready to accept connections'),
  })
  return { url: `redis://127.0.0.1:${redis.port}`, stop: redis.stop }
}
