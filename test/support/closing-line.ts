import { writeSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node'
import type { TestRedis } from './redis-server.ts'

/** The numbers of a test run. */
export interface RunCount {
  readonly passed: number
  /** Failed tests, and files and suites that failed outside a test. */
  readonly failed: number
  readonly skipped: number
  /** Of the skipped ones, those whose name says that they need Redis. */
  readonly skippedRedis: number
}

/**
 * Ends the run with a line of its own: `12 passed, 0 failed` or `12 passed, 0 failed, 3 skipped`.
 *
 * It is written when the process exits, after the coverage table, and never says "0 failed" when the run failed: a
 * file that cannot be loaded, a setup that throws and a coverage below its threshold count too.
 */
export class ClosingLine implements Reporter {
  #count: RunCount = { passed: 0, failed: 0, skipped: 0, skippedRedis: 0 }
  #vitest: Vitest | undefined
  #redisMissing = ''

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    process.once('exit', (code) => {
      writeSync(1, closingText(this.#count, { exitCode: code, redisMissing: this.#redisMissing }))
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = modules.map(countModule)
    const sum = (key: keyof RunCount): number => counts.reduce((total, count) => total + count[key], 0)
    this.#count = {
      passed: sum('passed'),
      failed: sum('failed') + unhandledErrors.length,
      skipped: sum('skipped'),
      skippedRedis: sum('skippedRedis'),
    }
    for (const project of this.#vitest?.projects ?? []) {
      const redis: TestRedis | undefined = project.getProvidedContext().testRedis
      if (redis !== undefined && 'missing' in redis) this.#redisMissing = redis.missing
    }
  }
}

function countModule(module: TestModule): RunCount {
  const tests = [...module.children.allTests()]
  const count = (state: string): readonly TestCase[] => tests.filter((test) => test.result().state === state)
  const broken = [module, ...module.children.allSuites()].filter(hasErrors)
  const skipped = [...count('skipped'), ...count('pending')]
  return {
    passed: count('passed').length,
    failed: count('failed').length + broken.length,
    skipped: skipped.length,
    skippedRedis: skipped.filter((test) => /redis/i.test(test.fullName)).length,
  }
}

const hasErrors = (part: TestModule | TestSuite): boolean => part.errors().length > 0

/** What the end of a run says; `exitCode` is that of the whole run. */
export function closingText(
  count: RunCount,
  end: { readonly exitCode: number; readonly redisMissing: string },
): string {
  const lines: string[] = ['']
  // With Redis there, they were left out by a filter.
  if (count.skippedRedis > 0 && end.redisMissing !== '') {
    lines.push(`SKIPPED: ${count.skippedRedis} Redis tests, because ${end.redisMissing}.`)
  }
  const onlyTheRun = count.failed === 0 && end.exitCode !== 0
  if (onlyTheRun) lines.push(`No test failed, but the run did (exit code ${end.exitCode}): see above.`)
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
  lines.push(`${count.passed} passed, ${onlyTheRun ? 1 : count.failed} failed${skipped}`)
  return `${lines.join('\n')}\n`
}
