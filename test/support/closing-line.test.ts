import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { closingText } from './closing-line.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
const nothing = { passed: 0, failed: 0, skipped: 0, skippedFor: { Redis: 0, PgBouncer: 0 } }
const good = { exitCode: 0, missing: { Redis: '', PgBouncer: '' } }

/** Runs the given test files with this reporter, as a run of its own. */
function runTests(
  files: Readonly<Record<string, string>>,
  config = '',
): { readonly status: number | null; readonly output: string } {
  const project = mkdtempSync(join(tmpdir(), 'partsmith-line-'))
  onTestFinished(() => {
    rmSync(project, { recursive: true, force: true })
  })
  symlinkSync(join(repository, 'node_modules'), join(project, 'node_modules'))
  mkdirSync(join(project, 'test'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, 'test', name), text)
  const reporter = JSON.stringify(join(repository, 'test/support/closing-line.ts'))
  writeFileSync(
    join(project, 'vitest.config.ts'),
    `import { ClosingLine } from ${reporter}
    export default { test: { include: ['test/*.test.ts'], reporters: ['default', new ClosingLine()], ${config} } }`,
  )
  const vitest = join(repository, 'node_modules/vitest/vitest.mjs')
  const run = spawnSync(process.execPath, [vitest, 'run'], { cwd: project, encoding: 'utf8' })
  return { status: run.status, output: run.stdout }
}

const lastLine = (output: string): string | undefined => output.trimEnd().split('\n').at(-1)

describe('the closing line', () => {
  it('says how many passed and failed', () => {
    expect(closingText({ ...nothing, passed: 12 }, good)).toBe('\n12 passed, 0 failed\n')
  })

  it('mentions skipped tests only when there are some', () => {
    expect(closingText({ ...nothing, passed: 1, skipped: 2 }, good)).toBe('\n1 passed, 0 failed, 2 skipped\n')
  })

  it('says before it how many tests were skipped for want of a program, and why', () => {
    const text = closingText(
      { ...nothing, skipped: 4, skippedFor: { Redis: 2, PgBouncer: 1 } },
      { exitCode: 0, missing: { Redis: 'it rained', PgBouncer: 'it snowed' } },
    )
    expect(text.split('\n')).toEqual([
      '',
      'SKIPPED: 2 Redis tests, because it rained.',
      'SKIPPED: 1 PgBouncer tests, because it snowed.',
      '0 passed, 0 failed, 4 skipped',
      '',
    ])
  })

  it('says nothing of a program that is there and whose tests a filter left out', () => {
    const text = closingText(
      { ...nothing, passed: 1, skipped: 3, skippedFor: { Redis: 2, PgBouncer: 1 } },
      good,
    )
    expect(text).toBe('\n1 passed, 0 failed, 3 skipped\n')
  })

  it('never says that nothing failed when the run failed', () => {
    const text = closingText({ ...nothing, passed: 5 }, { ...good, exitCode: 1 })
    expect(text).toMatch(/the run did \(exit code 1\): see above\.\n5 passed, 1 failed\n$/)
  })

  it('is the last line of a run that passes', () => {
    const { status, output } = runTests({
      'a.test.ts': `import { it } from 'vitest'; it('passes', () => {}); it.skip('waits', () => {})`,
    })
    expect(lastLine(output)).toBe('1 passed, 0 failed, 1 skipped')
    expect(status).toBe(0)
  })

  it('counts tests that fail, files that cannot be loaded and suites whose setup throws', () => {
    const { status, output } = runTests({
      'fails.test.ts': `import { it } from 'vitest'; it('fails', () => { throw new Error('no') })`,
      'load.test.ts': `import './is-not-there.ts'`,
      'setup.test.ts': `import { beforeAll, describe, it } from 'vitest'
        describe('suite', () => { beforeAll(() => { throw new Error('no') }); it('never runs', () => {}) })`,
      'fine.test.ts': `import { it } from 'vitest'; it('passes', () => {})`,
    })
    expect(lastLine(output)).toBe('1 passed, 3 failed, 1 skipped')
    expect(status).toBe(1)
  })

  it('counts a global setup that throws', () => {
    const files = {
      'fine.test.ts': `import { it } from 'vitest'; it('passes', () => {})`,
      'setup.ts': `export default () => { throw new Error('no server') }`,
    }
    const { status, output } = runTests(files, `globalSetup: ['test/setup.ts']`)
    expect(lastLine(output)).toBe('0 passed, 1 failed')
    expect(status).toBe(1)
  })
})
