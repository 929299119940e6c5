import { readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

import { describe, expect, it } from 'vitest'

import type { SourceFile } from './rules.ts'
import { findCycle, importsOf, rules } from './rules.ts'

const root = fileURLToPath(new URL('../../src', import.meta.url))

function sourceFiles(folder: string): readonly SourceFile[] {
  return readdirSync(folder).flatMap((entry) => {
    const full = path.join(folder, entry)
    if (statSync(full).isDirectory()) return sourceFiles(full)
    return entry.endsWith('.ts')
      ? [{ path: path.relative(root, full).replaceAll(path.sep, '/'), text: readFileSync(full, 'utf8') }]
      : []
  })
}

const files = sourceFiles(root)

describe('the architecture', () => {
  it('is looked at in full', () => {
    expect(files.length).toBeGreaterThan(40)
  })

  for (const rule of rules) {
    it(rule.name, () => {
      const broken = files.flatMap((file) => rule.check(file).map((what) => `${file.path}: ${what}`))
      expect(broken, `${rule.because}\n${broken.join('\n')}`).toEqual([])
    })
  }

  it('has no import cycles', () => {
    const cycle = findCycle(files)
    expect(
      cycle,
      'A cycle means that none of its files can be understood, or tested, without the others.',
    ).toEqual([])
  })

  // A rule that cannot fire protects nothing.
  it.each(rules.map((rule) => [rule.name, rule] as const))(
    'notices when this is broken: %s',
    (_name, rule) => {
      expect(rule.check(rule.broken)).not.toEqual([])
    },
  )

  it('notices a cycle', () => {
    const cycle = findCycle([
      { path: 'plan/a.ts', text: "import { b } from './b.ts'" },
      { path: 'plan/b.ts', text: "import { a } from './a.ts'" },
    ])
    expect(cycle).not.toEqual([])
  })

  it('reads imports and re-exports of every form', () => {
    const text = `import a from 'x'\nimport type { B } from '../model/b.ts'\nexport * from './c.ts'\nconst d = await import('./d.ts')`
    expect(importsOf({ path: 'run/e.ts', text })).toEqual(['x', '../model/b.ts', './c.ts', './d.ts'])
  })
})
