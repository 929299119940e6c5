import { describe, expect, it } from 'vitest'
import { plainPage, styleFor } from '../../../../src/cli/render/style.ts'
import { renderTimeline } from '../../../../src/cli/render/timeline.ts'
import type { PartitionInfo } from '../../../../src/index.ts'
import { infoOf, inspectionOf, months } from '../../../support/cli-views.ts'

function draw(partitions: readonly PartitionInfo[], { columns = 80, timeZone = 'UTC' } = {}): string {
  const page = { columns, style: plainPage.style }
  return renderTimeline(inspectionOf(partitions), page, { timeZone }).join('\n')
}

describe('the picture of a table', () => {
  it('has one block for each partition, by state, with now below', () => {
    const picture = draw([
      infoOf('expired', 'e1', months(1)),
      infoOf('past', 'e2', months(2)),
      infoOf('current', 'e3', months(3)),
      infoOf('future', 'e4', months(4)),
      infoOf('missing', 'e5', months(5)),
      infoOf('default', 'e_rest', 'DEFAULT'),
      infoOf('detached', 'e0', months(0)),
    ])
    expect(picture).toBe(
      [
        '  2026-01-01  2026-06-01',
        '  ░░░ ▒▒▒ ███ ▓▓▓ ···',
        '           ▲ now 2026-03-15 12:00',
        '  ░ expired   ▒ past   █ current   ▓ future   · missing',
      ].join('\n'),
    )
  })

  it('leaves a hole where a range between two partitions has none', () => {
    const picture = draw([infoOf('past', 'e1', months(1)), infoOf('current', 'e3', months(3))])
    expect(picture.split('\n')[1]).toBe('  ▒▒▒     ███')
    expect(picture).toContain('blank: no partition')
  })

  it('shows what is not managed and what is being detached, and open ends', () => {
    const picture = draw([
      infoOf('unmanaged', 'old', `FOR VALUES FROM (MINVALUE) TO ('2026-01-01 00:00:00+00')`),
      infoOf('detach-pending', 'e1', months(1)),
      infoOf('unmanaged', 'wide', months(2, 6)),
      infoOf('unmanaged', 'rest', `FOR VALUES FROM ('2026-06-01 00:00:00+00') TO (MAXVALUE)`),
    ])
    expect(picture.split('\n')[0]).toMatch(/^ {2}MINVALUE +MAXVALUE$/)
    expect(picture.split('\n')[1]).toBe('  ▚▚▚ ≈≈≈ ▚▚▚ ▚▚▚')
    expect(picture).toContain('▲ now 2026-03-15 12:00')
  })

  it.each([80, 120])('is never wider than %i columns, however many partitions there are', (columns) => {
    for (const count of [1, 17, 40, 77, 500, 5_000]) {
      const partitions = Array.from({ length: count }, (_, index) =>
        infoOf(index === count - 1 ? 'missing' : 'past', `p${index}`, months(index + 1)),
      )
      for (const line of draw(partitions, { columns }).split('\n')) {
        expect(line.length).toBeLessThanOrEqual(columns)
      }
    }
  })

  it('shows of several partitions in one block the one to be seen first', () => {
    const partitions = Array.from({ length: 300 }, (_, index) =>
      infoOf(index === 150 ? 'missing' : 'past', `p${index}`, months(index - 290)),
    )
    const picture = draw(partitions)
    expect(picture).toContain('one block = 4 partitions')
    expect(picture.split('\n')[1]?.match(/·/g)).toHaveLength(1)
  })

  it('puts now on the other side where there is no room', () => {
    const partitions = Array.from({ length: 60 }, (_, index) =>
      infoOf(index === 59 ? 'current' : 'past', `p${index}`, months(index - 56)),
    )
    expect(draw(partitions)).toMatch(/\n {2,}now 2026-03-15 12:00 ▲\n/)
  })

  it('reads bounds in the zone of the calendar, and wall clocks as they are', () => {
    const berlin = draw(
      [infoOf('current', 'd', `FOR VALUES FROM ('2026-03-14 23:00:00+00') TO ('2026-03-15 23:00:00+00')`)],
      { timeZone: 'Europe/Berlin' },
    )
    expect(berlin).toContain('2026-03-15  2026-03-16')
    expect(berlin).toContain('▲ now 2026-03-15 13:00+01:00')
    const wallClock = draw(
      [
        infoOf('past', 'd', `FOR VALUES FROM ('2026-03-15') TO ('2026-03-16')`),
        infoOf('current', 'e', `FOR VALUES FROM ('2026-03-16') TO ('2026-03-17')`),
      ],
      { timeZone: 'Pacific/Kiritimati' },
    )
    // 12:00 in UTC is 02:00 of the next day there.
    expect(wallClock.split('\n')[2]).toMatch(/^ {6}▲ now 2026-03-16 02:00\+14:00$/)
  })

  it('is nothing where nothing has a place on the line', () => {
    expect(draw([infoOf('default', 'rest', 'DEFAULT')])).toBe('')
    expect(draw([])).toBe('')
  })

  it('has colours only where they are wanted', () => {
    const page = { columns: 80, style: styleFor(true) }
    const picture = renderTimeline(inspectionOf([infoOf('current', 'e3', months(3))]), page, {
      timeZone: 'UTC',
    })
    expect(picture.join('\n')).toContain('\u001b[32m███\u001b[39m')
    expect(draw([infoOf('current', 'e3', months(3))])).not.toContain('\u001b')
  })
})
