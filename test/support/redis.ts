import { describe, inject } from 'vitest'

/** The URL of a real Redis server; undefined when there is none. Keys are shared by all tests: use names of your own. */
export function redisUrl(): string | undefined {
  const redis = inject('testRedis')
  return 'url' in redis ? redis.url : undefined
}

/** Defines tests that need Redis; without a server they are skipped, and the end of the run says so. */
export function describeWithRedis(name: string, define: (url: string) => void): void {
  const url = redisUrl()
  // The end of the run counts the skipped tests by this word.
  describe.skipIf(url === undefined)(`${name} (Redis)`, () => {
    define(url ?? 'redis://127.0.0.1:0')
  })
}
