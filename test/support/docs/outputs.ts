import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { masked, presentable } from './masked.ts'
import type { StepSurroundings } from './run-step.ts'
import { repository } from './workspace.ts'

/** `PARTSMITH_ACCEPT_OUTPUTS=1` writes what comes out into the pages, to be looked at with `git diff`. */
export const accepting: boolean = process.env['PARTSMITH_ACCEPT_OUTPUTS'] === '1'

export interface OutputHandling {
  readonly compareOutput: StepSurroundings['compareOutput']
  /** Called when the page is over. */
  readonly finish: () => void
}

export const comparison: OutputHandling = {
  compareOutput: (shown, printed) => {
    const actual = presentable(printed)
    if (sameText(shown.text, actual)) return
    expect(masked(actual), `It printed:\n${actual}`).toBe(masked(shown.text))
  },
  finish: () => undefined,
}

/** Leaves the page as it is where it is right but for dates and times. */
export function acceptOutputs(path: string): OutputHandling {
  const accepted = new Map<number, string>()
  return {
    compareOutput: ({ text, line }, printed) => {
      const actual = presentable(printed)
      if (!sameText(text, actual)) accepted.set(line, actual)
    },
    finish: () => {
      if (accepted.size === 0) return
      const file = join(repository, path)
      const lines = readFileSync(file, 'utf8').split('\n')
      for (const [line, actual] of [...accepted].sort(([a], [b]) => b - a)) {
        const end = lines.findIndex((text, index) => index >= line && text.trim() === '```')
        const indent = /^ */.exec(lines[line - 1] ?? '')?.[0] ?? ''
        const shown = actual.trimEnd().split('\n')
        lines.splice(line, end - line, ...shown.map((text) => (text === '' ? '' : indent + text)))
      }
      writeFileSync(file, lines.join('\n'))
    },
  }
}

/** A time with fewer digits can move a word to the line before, so where lines end does not count. */
function sameText(shown: string, actual: string): boolean {
  return oneLine(shown) === oneLine(actual)
}

function oneLine(text: string): string {
  return masked(text).replaceAll(/\s+/g, ' ')
}
