import { PartitionError } from '../errors.ts'
import { Instant } from './instant.ts'

/** One step of a calendar: `start` is inside, `end` is the start of the next one. */
export interface Period {
  readonly start: Instant
  readonly end: Instant
}

/** What cuts the time line into periods, one partition each, and names them. */
export interface PeriodCalculator {
  /** The IANA zone in which periods begin. */
  readonly timeZone: string
  /** Gives the period that contains `at`. Periods follow each other without gap or overlap. */
  currentPeriod(at: Instant): Period
  /** Names the partition of a period; two periods never share a name. */
  formatPartitionName(tableName: string, period: Period): string
  /** Reads the period back from a name, for people; nothing is ever decided by it. */
  parsePartitionName(partitionName: string): Period | undefined
  /** Gives the two ends as literals that PostgreSQL reads the same in every session: with an explicit offset. */
  getBoundaries(period: Period): readonly [from: string, to: string]
}

/** Asks a calculator for the period that contains `at`; throws a `PartitionError` when its answer does not. */
export function checkedPeriod(calculator: PeriodCalculator, at: Instant): Period {
  const period = calculator.currentPeriod(at)
  // A calculator of somebody's own, maybe without types, can give anything.
  const { start, end }: Partial<Period> = period ?? {}
  if (!(start instanceof Instant) || !(end instanceof Instant)) {
    throw new PartitionError(
      `${nameOf(calculator)}.currentPeriod must return { start, end } as two Instants; wrap other values in Instant.from.`,
    )
  }
  if (Instant.compare(start, at) > 0 || Instant.compare(at, end) >= 0) {
    throw new PartitionError(
      `${nameOf(calculator)}.currentPeriod(${at.toString()}) returned [${start.toString()}, ${end.toString()}), which does not contain that instant. ` +
        'A period contains its start and ends before its end.',
    )
  }
  return period
}

/** Gives the period after this one; throws a `PartitionError` when the calculator leaves a gap or an overlap. */
export function periodAfter(calculator: PeriodCalculator, period: Period): Period {
  const next = checkedPeriod(calculator, period.end)
  if (Instant.compare(next.start, period.end) !== 0) throw notContiguous(calculator, period, next)
  return next
}

/** Gives the period before this one; throws a `PartitionError` when the calculator leaves a gap or an overlap. */
export function periodBefore(calculator: PeriodCalculator, period: Period): Period {
  const previous = checkedPeriod(calculator, period.start.add(-1n))
  if (Instant.compare(previous.end, period.start) !== 0) throw notContiguous(calculator, previous, period)
  return previous
}

function notContiguous(calculator: PeriodCalculator, earlier: Period, later: Period): PartitionError {
  return new PartitionError(
    `${nameOf(calculator)} does not tile the time line: the period that ends at ${earlier.end.toString()} ` +
      `is followed by one that starts at ${later.start.toString()}. Each period must start where the one before it ends.`,
  )
}

function nameOf(calculator: PeriodCalculator): string {
  const name = calculator.constructor.name
  return name === '' || name === 'Object' ? 'The period calculator' : name
}
