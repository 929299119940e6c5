import { existsSync, readFileSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pagesIn, readPage } from '../support/docs/describe-page.ts'
import { repository } from '../support/docs/workspace.ts'

const top = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md']
const paths = [...top, ...pagesIn('docs'), ...pagesIn('examples')]

/** What is wrong with a link, or nothing. Links to other sites are not followed. */
function problemOf(path: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return target.startsWith('https://') ? undefined : 'is not https'
  const [file = '', anchor] = target.split('#')
  const linked = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file))
  const full = join(repository, linked)
  if (linked.startsWith('..') || !existsSync(full)) return 'names nothing that exists'
  if (anchor === undefined) return undefined
  if (statSync(full).isDirectory() || !linked.endsWith('.md')) return 'has an anchor into what is no page'
  return readPage(linked).anchors.has(anchor) ? undefined : 'names a heading that does not exist'
}

describe('the links', () => {
  it.each(paths)('of %s lead somewhere', (path) => {
    const broken = readPage(path).links.flatMap(({ target, line }) => {
      const problem = problemOf(path, target)
      return problem === undefined ? [] : [`${path}:${line}: (${target}) ${problem}`]
    })
    expect(broken).toEqual([])
  })

  it('lead to every page of the documentation', () => {
    const linked = new Set(
      paths.flatMap((path) =>
        readPage(path).links.map(({ target }) =>
          posix.normalize(posix.join(posix.dirname(path), target.split('#')[0] ?? '')),
        ),
      ),
    )
    expect(paths.filter((path) => !top.includes(path) && !linked.has(path))).toEqual([])
  })

  it('of what is packed lead into the package', () => {
    const manifest: { readonly files: readonly string[] } = JSON.parse(
      readFileSync(join(repository, 'package.json'), 'utf8'),
    )
    // npm packs these whatever is listed.
    const packed = [...manifest.files, 'README.md', 'LICENSE']
    const isPacked = (path: string): boolean =>
      packed.some((entry) => path === entry || path.startsWith(`${entry}/`))
    const outside = paths.filter(isPacked).flatMap((path) =>
      readPage(path)
        .links.filter(({ target }) => !/^(?:[a-z]+:|#)/.test(target))
        .map(({ target }) => posix.normalize(posix.join(posix.dirname(path), target.split('#')[0] ?? '')))
        .filter((linked) => !isPacked(linked))
        .map((linked) => `${path}: ${linked}`),
    )
    expect(outside).toEqual([])
  })

  it('are seen when they are broken', () => {
    expect(problemOf('README.md', 'docs/no-such-page.md')).toBe('names nothing that exists')
    expect(problemOf('README.md', '#no-such-heading')).toBe('names a heading that does not exist')
    expect(problemOf('README.md', 'http://example.org')).toBe('is not https')
  })
})
