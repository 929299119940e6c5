import { Pool } from 'pg'
import { BasePeriodCalculator, createPartsmith, Instant, type Period } from 'pg-partsmith'

/** Years that begin on the first of April and are named after the year in which they end: `events__fy2026`. */
class FiscalYearCalculator extends BasePeriodCalculator {
  currentPeriod(at: Instant): Period {
    const { year, month } = this.localDate(at)
    const begins = month >= 4 ? year : year - 1
    return this.periodBetween({ year: begins, month: 4, day: 1 }, { year: begins + 1, month: 4, day: 1 })
  }

  protected label(period: Period): string {
    return `fy${this.localDate(period.start).year + 1}`
  }

  // Only for people who have a name and want to know its period; nothing is decided by it.
  protected override parseLabel(label: string): Instant | undefined {
    const year = /^fy(\d{4})$/.exec(label)?.[1]
    return year === undefined ? undefined : this.midnight({ year: Number(year) - 1, month: 4, day: 1 })
  }
}

const calendar = new FiscalYearCalculator({ timeZone: 'Europe/London' })
const period = calendar.currentPeriod(Instant.from('2026-03-31T22:30:00Z'))
console.log(calendar.formatPartitionName('ledger', period), calendar.getBoundaries(period))
console.log('ledger__fy2027 begins', String(calendar.parsePartitionName('ledger__fy2027')?.start))

const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query(`
  DROP SCHEMA IF EXISTS example_calendar CASCADE;
  CREATE SCHEMA example_calendar;
  CREATE TABLE example_calendar.ledger (booked_at timestamptz NOT NULL) PARTITION BY RANGE (booked_at);`)

const partsmith = createPartsmith({ pool, periodCalculator: calendar, ddlTimezone: 'Europe/London' })
const result = await partsmith.maintain(
  { schema: 'example_calendar', tableName: 'ledger', partitionColumn: 'booked_at', createAheadCount: 2 },
  { now: '2026-03-31T22:30:00Z' },
)
for (const { id, status } of result.operations) console.log(`${id}: ${status}`)
await pool.end()
