import { assert, constantFrom, integer, oneof, property, tuple, uniqueArray } from 'fast-check'
import { describe, expect, it } from 'vitest'

import { renderFindings } from '../../../../src/cli/render/findings.ts'
import { plainPage } from '../../../../src/cli/render/style.ts'
import { type Finding, formatTableName } from '../../../../src/index.ts'

function inDefault(table: string, day: number): Finding {
  const relation = { schema: 'app', name: table }
  const range = { from: `2026-11-${day} 00:00:00+00`, to: `2026-11-${day + 1} 00:00:00+00` }
  return {
    code: 'rows-in-default',
    severity: 'warning',
    relation,
    range,
    message: `${formatTableName(relation)} holds 12 rows from ${range.from} to ${range.to}, too many.`,
    next: 'Move them.',
  }
}

function nameTaken(table: string): Finding {
  const relation = { schema: 'app', name: table }
  return { code: 'name-taken', severity: 'warning', relation, message: `${table} is taken.`, next: 'Rename.' }
}

/** What is said of each group, in one line. */
function blocksOf(findings: readonly Finding[]): readonly string[] {
  const text = renderFindings(findings, plainPage).join('\n')
  return text
    .split('\n\n')
    .map((block) => block.replaceAll(/\s+/g, ' ').replace(/ Next: .*/, ''))
    .filter((block) => block.trim() !== '')
}

describe('findings that say the same', () => {
  it('of several periods of one table name the periods, and not the table again', () => {
    const [text = ''] = blocksOf([inDefault('events', 25), inDefault('events', 26)])
    expect(text).toContain('too many. The same is true of 2026-11-26 00:00:00+00 to 2026-11-27 00:00:00+00.')
    expect(text.match(/app\.events/g)).toHaveLength(1)
  })

  it('of one period of several tables name the tables', () => {
    const [text = ''] = blocksOf([inDefault('events', 25), inDefault('audit', 25), inDefault('queue', 26)])
    expect(text).toContain(
      'The same is true of app.audit and app.queue (2026-11-26 00:00:00+00 to 2026-11-27 00:00:00+00).',
    )
  })

  it('vanish never: each is named by its table and period, or counted', () => {
    const tables = constantFrom('events', 'audit', 'metrics', 'queue', 'log')
    const some = oneof(
      tuple(tables, integer({ min: 10, max: 16 })).map(([table, day]) => inDefault(table, day)),
      tables.map(nameTaken),
    )
    assert(
      property(uniqueArray(some, { maxLength: 12, selector: JSON.stringify }), (findings) => {
        const seen = blocksOf(findings).map((block) => {
          const [said = '', others = ''] = block.split(' The same is true of ')
          const hidden = Number(/ and (\d+) more/.exec(others)?.[1] ?? 0)
          const named = others === '' ? [] : others.replace(/ and \d+ more/, '').split(/, | and /)
          return { said, named, hidden }
        })
        const told = seen.reduce((sum, { named, hidden }) => sum + 1 + named.length + hidden, 0)
        expect(told).toBe(findings.length)
        for (const { said, named } of seen) for (const name of named) expect(said).not.toContain(name)
        for (const { relation, range } of findings) {
          const names = [...(relation ? [relation.name] : []), ...(range ? [range.from] : [])]
          const isTold = seen.some(({ said, named, hidden }) => {
            const text = [said, ...named].join('\n')
            return hidden > 0 || names.every((name) => text.includes(name))
          })
          expect(isTold).toBe(true)
        }
      }),
    )
  })
})
