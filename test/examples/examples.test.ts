import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtProgram } from '../support/cli.ts'
import { majors } from '../support/database.ts'
import { describePage, readPage } from '../support/docs/describe-page.ts'
import { stepsOf } from '../support/docs/steps.ts'
import { repository } from '../support/docs/workspace.ts'

const folders = readdirSync(join(repository, 'examples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name)
  .sort()

describe('the examples', () => {
  it('each have a README, and are listed in the one above them', () => {
    const listed = readPage('examples/README.md').links.map(({ target }) => target)
    for (const folder of folders) {
      expect(existsSync(join(repository, 'examples', folder, 'README.md')), folder).toBe(true)
      expect(listed).toContain(`${folder}/README.md`)
    }
  })

  it('start a program that npx can start: the build made it executable', () => {
    expect(execFileSync(builtProgram(), ['--version'], { encoding: 'utf8' })).toMatch(/^\d+\.\d+\.\d+/)
  })

  it('each show how they are run and what they print', () => {
    for (const folder of folders) {
      const steps = stepsOf(readPage(`examples/${folder}/README.md`))
      expect(
        steps.map(({ kind }) => kind),
        folder,
      ).toContain('bash')
      for (const step of steps.filter(({ kind }) => kind === 'bash'))
        expect(step.output, folder).toBeDefined()
    }
  })
})

const newest = majors.at(-1) ?? 18
for (const folder of folders) {
  describePage(`examples/${folder}/README.md`, { major: newest, copyOf: `examples/${folder}` })
}

// The oldest server is where SQL can be too new.
const oldest = majors[0] ?? newest
if (oldest !== newest) {
  for (const folder of ['01-quickstart', '02-command-line', '05-hooks', '11-default-partition', '12-adopt']) {
    describePage(`examples/${folder}/README.md`, { major: oldest, copyOf: `examples/${folder}` })
  }
}
