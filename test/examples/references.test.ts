import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { generatedPages } from '../../scripts/docs/pages.ts'
import { pagesIn } from '../support/docs/describe-page.ts'
import { repository } from '../support/docs/workspace.ts'

describe('the references', () => {
  it.each(generatedPages().map(({ path, text }) => [path, text] as const))(
    'of %s say what the code says',
    (path, text) => {
      const written = readFileSync(join(repository, path), 'utf8')
      expect(written, `${path} is not what the code makes of it; run \`npm run docs\`.`).toBe(text)
    },
  )

  it('are all generated', () => {
    const generated = generatedPages().map(({ path }) => path)
    expect(pagesIn('docs/reference').filter((path) => !generated.includes(path))).toEqual([])
  })
})
