import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { Survey } from './survey.ts'

/** A wrong granularity or zone shows in this: the calendar fits none of the partitions that are there. */
export function calendarFitsNothing({ placed }: Pick<Survey, 'placed'>): readonly Finding[] {
  const ranges = placed.filter(({ placement }) => placement.kind !== 'default')
  if (ranges.length === 0 || ranges.some(({ placement }) => placement.kind === 'aligned')) return []
  const count =
    ranges.length === 1 ? 'The only partition does not lie' : `None of the ${ranges.length} partitions lies`
  return [
    finding('calendar-fits-nothing', {
      message: `${count} inside a period of this calendar.`,
      next: 'Check granularity and timeZone; `pg-partsmith init` reads them from the table.',
    }),
  ]
}
