import { describe, expect, it } from 'vitest'
import { describeRunway, renderInspection } from '../../../../src/cli/render/inspection.ts'
import { plainPage } from '../../../../src/cli/render/style.ts'
import { configOf, infoOf, inspectionOf, months } from '../../../support/cli-views.ts'

describe('an inspection for people', () => {
  it('has the picture, the partitions with figures, how long they last, and what is not dropped yet', () => {
    const inspection = inspectionOf(
      [
        { ...infoOf('expired', 'events__2026_01', months(1)), rowEstimate: 20_160, sizeBytes: 1_258_291 },
        { ...infoOf('past', 'events__2026_02', months(2)), rowEstimate: 0, sizeBytes: 0 },
        { ...infoOf('current', 'events__2026_03', months(3)), sizeBytes: 8_192 },
        infoOf('missing', 'events__2026_04', months(4)),
        { ...infoOf('default', 'events_rest', 'DEFAULT'), sizeBytes: 500 },
        {
          ...infoOf('detached', 'events__2025_12', months(0)),
          sizeBytes: 8_192,
          detachedAt: '2026-03-10T02:00:04Z',
        },
        infoOf('half-built', 'events__2026_05'),
      ],
      {
        hasDefault: true,
        findings: [{ code: 'orphan-kept', severity: 'info', message: 'It is kept.', next: 'Nothing.' }],
      },
    )
    expect(renderInspection({ config: configOf(), inspection }, plainPage).join('\n'))
      .toBe(`app.events  range (created_at) by month  create-ahead 3  keep 2  drop at once

  2026-01-01  2026-05-01
  ░░░ ▒▒▒ ███ ···
           ▲ now 2026-03-15 12:00
  ░ expired   ▒ past   █ current   · missing

  partition        range                     state          rows    size
  events__2026_01  2026-01-01 to 2026-02-01  expired     ~20,160  1.2 MB
  events__2026_02  2026-02-01 to 2026-03-01  past             ~0     0 B
  events__2026_03  2026-03-01 to 2026-04-01  current                8 kB
  events__2026_04  2026-04-01 to 2026-05-01  missing
  events_rest      everything else           default               500 B
  events__2025_12  2025-12-01 to 2026-01-01  detached               8 kB
      since 2026-03-10
  events__2026_05                            half-built

  Partitions exist until 2026-05-01, 46 days from now. Rows go to the DEFAULT
  partition after that.
  1 detached table (8 kB) not dropped yet.
  1 table built and never attached; the next run tidies up.

  info  orphan-kept
    It is kept.
    Next: Nothing.
`)
  })

  it('is never wider than the page: long rows break after the name, those of a wide page do not', () => {
    const hour = `FOR VALUES FROM ('2026-03-15 12:00:00+00') TO ('2026-03-15 13:00:00+00')`
    const inspection = inspectionOf([
      { ...infoOf('current', `measurements_of_the_north__2026_03_15_12`, hour), sizeBytes: 1_258_291 },
      { ...infoOf('detached', 'measurements__old', hour), detachedAt: '2026-03-10T00:00:00Z' },
    ])
    const config = configOf({
      timeZone: 'America/Argentina/Buenos_Aires',
      dropAfter: '7 days',
      tableName: 'measurements_of_the_north',
    })
    const lines = (columns: number): readonly string[] =>
      renderInspection({ config, inspection, allowDestructive: true }, { ...plainPage, columns })
    expect(lines(80).filter((line) => line.length > 80)).toEqual([])
    expect(lines(80).slice(0, 3)).toEqual([
      'app.measurements_of_the_north',
      '  range (created_at) by month in America/Argentina/Buenos_Aires  create-ahead 3',
      '  keep 2  drop after 7 days  drops without asking',
    ])
    const narrow = lines(80).join('\n')
    expect(narrow).toMatch(/\n {2}partition\n {6}range +state +size\n/)
    expect(narrow).toMatch(
      /\n {2}measurements_of_the_north__2026_03_15_12\n {6}2026-03-15 09:00-03:00 to 2026-03-15 10:00-03:00 {2}current +1\.2 MB\n/,
    )
    expect(narrow).toMatch(/\n {2}measurements__old\n {6}.* {2}detached.*\n {6}since 2026-03-10\n/)
    expect(lines(200).join('\n')).toMatch(/measurements__old +.* to .* {2}detached 2026-03-10/)
  })

  it('leaves out the middle of a long list, unless all are asked for', () => {
    const inspection = inspectionOf(
      Array.from({ length: 45 }, (_, index) => infoOf('past', `p${index}`, months(index))),
    )
    const short = renderInspection({ config: configOf(), inspection }, plainPage).join('\n')
    expect(short).toContain('.. 25 more; --verbose shows them')
    expect(short).toContain('p9 ')
    expect(short).not.toContain('p10 ')
    expect(short).toContain('p35 ')
    const all = renderInspection({ config: configOf(), inspection }, plainPage, { all: true }).join('\n')
    expect(all).toContain('p10 ')
    expect(all).not.toContain('more;')
  })

  it('says what no runway means for inserts', () => {
    const none = inspectionOf([], { runway: undefined })
    expect(describeRunway(none, 'UTC')).toBe('No partition exists for the present moment. Inserts fail.')
    expect(describeRunway({ ...none, hasDefault: true }, 'UTC')).toBe(
      'No partition exists for the present moment. New rows go to the DEFAULT partition.',
    )
    const open = inspectionOf([], { runway: { until: 'infinity', microseconds: 'infinity' } })
    expect(describeRunway(open, 'UTC')).toBe('Partitions exist without an end.')
    const day = { until: '2026-03-16T23:00:00Z', microseconds: String(35 * 3_600e6) }
    const berlin = inspectionOf([infoOf('current', 'a', months(3))], { runway: day })
    expect(describeRunway(berlin, 'Europe/Berlin')).toBe(
      'Partitions exist until 2026-03-17, 35 hours from now.',
    )
    const wallClock = inspectionOf(
      [infoOf('current', 'a', `FOR VALUES FROM ('2026-03-15') TO ('2026-03-17')`)],
      {
        runway: { ...day, until: '2026-03-17T00:00:00Z' },
      },
    )
    expect(describeRunway(wallClock, 'Europe/Berlin')).toContain('until 2026-03-17,')
  })
})
