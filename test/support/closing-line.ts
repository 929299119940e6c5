import { writeSync } from 'node:fs'
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node'
import { whyNoPgBouncer } from './pgbouncer-program.ts'
import type { TestRedis } from './redis-server.ts'

/** The numbers of a test run. */
export interface RunCount {
  readonly passed: number
  /** Failed tests, and files and suites that failed outside a test. */
  readonly failed: number
  readonly skipped: number
  /** Of the skipped ones, those whose name says that they need the program. */
  readonly skippedFor: Readonly<Record<Program, number>>
}

/** What some tests need besides the servers. */
export type Program = 'Redis' | 'PgBouncer'
const programs: readonly Program[] = ['Redis', 'PgBouncer']

/**
 * Ends the run with a line of its own: `12 passed, 0 failed` or `12 passed, 0 failed, 3 skipped`.
 *
 * It is written when the process exits, after the coverage table, and never says "0 failed" when the run failed: a
 * file that cannot be loaded, a setup that throws and a coverage below its threshold count too.
 */
export class ClosingLine implements Reporter {
  #count: RunCount = { passed: 0, failed: 0, skipped: 0, skippedFor: { Redis: 0, PgBouncer: 0 } }
  #vitest: Vitest | undefined
  #redisMissing = ''

  onInit(vitest: Vitest): void {
    this.#vitest = vitest
    process.once('exit', (code) => {
      writeSync(
        1,
        closingText(this.#count, {
          exitCode: code,
          missing: { Redis: this.#redisMissing, PgBouncer: whyNoPgBouncer },
        }),
      )
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = modules.map(countModule)
    const sum = (number: (count: RunCount) => number): number =>
      counts.reduce((total, count) => total + number(count), 0)
    this.#count = {
      passed: sum(({ passed }) => passed),
      failed: sum(({ failed }) => failed) + unhandledErrors.length,
      skipped: sum(({ skipped }) => skipped),
      skippedFor: forEach((program) => sum(({ skippedFor }) => skippedFor[program])),
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
    skippedFor: forEach((program) => skipped.filter((test) => names(test, program)).length),
  }
}

function forEach(count: (program: Program) => number): RunCount['skippedFor'] {
  return { Redis: count('Redis'), PgBouncer: count('PgBouncer') }
}

function names({ fullName }: TestCase, program: Program): boolean {
  return fullName.toLowerCase().includes(program.toLowerCase())
}

const hasErrors = (part: TestModule | TestSuite): boolean => part.errors().length > 0

/** What the end of a run says; `exitCode` is that of the whole run. */
export function closingText(
  count: RunCount,
  end: { readonly exitCode: number; readonly missing: Readonly<Record<Program, string>> },
): string {
  const lines: string[] = ['']
  for (const program of programs) {
    const skipped = count.skippedFor[program]
    // With the program there, they were left out by a filter.
    if (skipped > 0 && end.missing[program] !== '')
      lines.push(`SKIPPED: ${skipped} ${program} tests, because ${end.missing[program]}.`)
  }
  const onlyTheRun = count.failed === 0 && end.exitCode !== 0
  if (onlyTheRun) lines.push(`No test failed, but the run did (exit code ${end.exitCode}): see above.`)
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : ''
  lines.push(`${count.passed} passed, ${onlyTheRun ? 1 : count.failed} failed${skipped}`)
  return `${lines.join('\n')}\n`
}
