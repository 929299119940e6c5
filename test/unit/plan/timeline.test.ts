import { describe, expect, it } from 'vitest'
import type { Period } from '../../../src/index.ts'
import { BasePeriodCalculator, calculatorFor, Instant } from '../../../src/index.ts'
import { nextSlot, previousSlot, slotName, timelineFor } from '../../../src/plan/timeline.ts'

const now = Instant.from('2026-03-15T12:00:00Z')
const day = 86_400_000_000n

/** Days in UTC, but for what a test makes wrong. */
class Days extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const start = (at.epochMicroseconds / day) * day
    return { start: Instant.fromMicroseconds(start), end: Instant.fromMicroseconds(start + day) }
  }

  protected label(_period: Period): string {
    return 'a_label'
  }
}

const timeline = (calculator: BasePeriodCalculator, ddlTimezone: string | null = 'UTC') =>
  timelineFor({ calculator, keyType: 'timestamptz', now, ddlTimezone })

function zoneless({ epochMicroseconds }: Instant): string {
  return new Date(Number(epochMicroseconds / 1000n)).toISOString().slice(0, 19).replace('T', ' ')
}

describe('a timeline', () => {
  it('knows the slot of a position from wherever it is asked for', () => {
    const line = timelineFor({
      calculator: calculatorFor('day', 'Europe/Berlin'),
      keyType: 'timestamptz',
      now,
      ddlTimezone: null,
    })
    const slot = line.slotAt(line.head)
    expect(slot.range).toEqual({ from: '2026-03-14 23:00:00+00', to: '2026-03-15 23:00:00+00' })
    for (const position of [slot.from, slot.from + 1n, slot.to - 1n])
      expect(line.slotAt(position)).toEqual(slot)
    expect(nextSlot(line, slot).from).toBe(slot.to)
    expect(previousSlot(line, slot).to).toBe(slot.from)
    expect(line.slotAt(slot.to).range.from).toBe(slot.range.to)
  })

  it('refuses boundaries that do not hold what their period holds', () => {
    class Shifted extends Days {
      override getBoundaries(): readonly [string, string] {
        return ['2020-01-01 00:00:00+00', '2020-01-02 00:00:00+00']
      }
    }
    expect(() => timeline(new Shifted()).slotAt(now.epochMicroseconds)).toThrow(
      /The calculator Shifted puts 2026-03-15 12:00:00\+00 into the period .* which do not hold it\. Give boundaries that are the period's own start and end\.$/,
    )
  })

  it('refuses a calendar with a gap, in either direction', () => {
    class Gapped extends Days {
      override currentPeriod(at: Instant): Period {
        const { start, end } = super.currentPeriod(at)
        const afternoon = start.add(day / 2n)
        return Instant.compare(at, afternoon) < 0
          ? { start, end: start.add(day / 4n) }
          : { start: afternoon, end }
      }
    }
    const line = timeline(new Gapped())
    const slot = line.slotAt(now.epochMicroseconds)
    expect(() => previousSlot(line, slot)).toThrow(/does not/)
    const [morning] = [line.slotAt(slot.from - day / 2n)]
    expect(() => nextSlot(line, morning)).toThrow(/does not/)
  })

  it('takes zone-less boundaries for instants only where the zone of the DDL is that of the calendar', () => {
    class Local extends Days {
      override getBoundaries({ start, end }: Period): readonly [string, string] {
        return [zoneless(start), zoneless(end)]
      }
    }
    expect(timeline(new Local()).slotAt(now.epochMicroseconds).range.from).toBe('2026-03-15 00:00:00+00')
    expect(() => timeline(new Local(), null).slotAt(now.epochMicroseconds)).toThrow(
      /gives the boundary '2026-03-15 00:00:00' without an offset, and ddlTimezone is null, .* Give boundaries with an offset, or set ddlTimezone to UTC\.$/,
    )
    class Nonsense extends Days {
      override getBoundaries(): readonly [string, string] {
        return ['yesterday', 'today']
      }
    }
    expect(() => timeline(new Nonsense()).slotAt(now.epochMicroseconds)).toThrow(
      /gives the boundary 'yesterday', which is not a value of a timestamptz key/,
    )
  })

  it('refuses a name that PostgreSQL would cut', () => {
    class Wordy extends Days {
      override formatPartitionName(): string {
        return 'é'.repeat(32)
      }
    }
    const calculator = new Wordy()
    const slot = timeline(calculator).slotAt(now.epochMicroseconds)
    expect(() => slotName({ calculator, keyType: 'timestamptz', table: 'events', slot })).toThrow(
      /takes 64 bytes; PostgreSQL keeps 63 and would cut it silently\. Give a shorter name, for example through partitionName\(\)\.$/,
    )
  })
})
