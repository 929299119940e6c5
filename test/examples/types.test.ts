import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { pagesIn, readPage } from '../support/docs/describe-page.ts'
import { stepsOf } from '../support/docs/steps.ts'
import { makeWorkspace, repository } from '../support/docs/workspace.ts'

const run = promisify(execFile)

const options = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
  },
  include: ['*.ts'],
}

it('the programs in the documentation have no type errors', { timeout: 120_000 }, async () => {
  const workspace = await makeWorkspace({ environment: {} })
  try {
    await workspace.write('tsconfig.json', JSON.stringify(options))
    let programs = 0
    for (const path of ['README.md', ...pagesIn('docs')]) {
      for (const step of stepsOf(readPage(path))) {
        const isProgram = step.kind === 'program' || (step.kind === 'file' && step.name.endsWith('.ts'))
        if (!isProgram) continue
        programs += 1
        const name = `${path.replaceAll(/[/.]/g, '-')}-${step.line}.ts`
        // Without this a file without imports would share its names with the others.
        await workspace.write(name, `${step.text}\nexport {}\n`)
      }
    }
    expect(programs).toBeGreaterThan(0)
    const tsc = `${repository}/node_modules/typescript/bin/tsc`
    const { stdout } = await run(process.execPath, [tsc, '-p', workspace.directory]).catch(
      (error: unknown) => ({
        stdout: error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error),
      }),
    )
    expect(stdout).toBe('')
  } finally {
    await workspace.remove()
  }
})
