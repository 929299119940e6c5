import { describe, expect, it } from 'vitest'
import { renderDefaultRows } from '../../../../src/cli/render/default-rows.ts'
import { plainPage } from '../../../../src/cli/render/style.ts'
import type { DefaultRowsCounted, DefaultRowsReport } from '../../../../src/index.ts'
import { inspectionOf } from '../../../support/cli-views.ts'

const relation = { schema: 'app', name: 'events_rest' }
const exact: DefaultRowsCounted = {
  counted: 'exactly',
  share: 1,
  rows: 1_250,
  withoutKey: 45,
  infinite: 3,
  periods: [
    { range: { from: '2020-01-01 00:00:00+00', to: '2020-02-01 00:00:00+00' }, state: 'past', rows: 1_200 },
    {
      range: { from: '2026-04-01 00:00:00+00', to: '2026-06-01 00:00:00+00' },
      state: 'future',
      rows: 2,
      several: true,
    },
  ],
}

function shown(defaultRows: DefaultRowsReport | undefined, all = false): string {
  const inspection = inspectionOf([], defaultRows && { defaultRows })
  return renderDefaultRows(inspection, plainPage, { timeZone: 'UTC', all }).join('\n')
}

describe('the rows of DEFAULT', () => {
  it('are listed by period, with those that have none', () => {
    expect(shown({ relation, ...exact })).toBe(
      `  events_rest (DEFAULT) holds 1,250 rows:
    2020-01-01 to 2020-02-01                    past    1,200
    2026-04-01 to 2026-06-01 (several periods)  future      2
    infinity                                                3
    no key (NULL)                                          45`,
    )
  })

  it('are about what they are where only a sample was read', () => {
    const text = shown({ relation, ...exact, counted: 'by-sample', share: 0.004, rows: 5_071_666 })
    expect(text).toContain('holds about 5,100,000 rows, judged by 0.4% of its')
    expect(text).toContain('~1,200')
    expect(text).toContain('a few rows may be missed')
    const none = { ...exact, rows: 0, withoutKey: 0, infinite: 0, periods: [], share: 0.25 }
    expect(shown({ relation, ...none, counted: 'by-sample' })).toBe(
      '  events_rest (DEFAULT) holds no rows, judged by 25% of its pages.',
    )
    expect(shown({ relation, ...none, share: 1 })).toBe('  events_rest (DEFAULT) holds no rows.')
  })

  it('are not shown where they are not known, with the reason, and nothing is said without a DEFAULT', () => {
    expect(shown({ relation, counted: 'not', why: 'It is a foreign table.' })).toBe(
      '  The rows of events_rest (DEFAULT) are not counted. It is a foreign table.',
    )
    expect(shown(undefined)).toBe('')
  })

  it('of very many periods are shown at both ends, unless all are asked for', () => {
    const periods = Array.from({ length: 60 }, (_, index) => ({
      range: { from: `20${10 + index}-01-01`, to: `20${11 + index}-01-01` },
      state: 'past' as const,
      rows: 1,
    }))
    const short = shown({ relation, ...exact, periods })
    expect(short).toContain('.. 50 more; --verbose shows them')
    expect(short.split('\n')).toHaveLength(14)
    expect(shown({ relation, ...exact, periods }, true).split('\n')).toHaveLength(63)
  })
})
