import type { PeriodCalculator } from '../model/calendar.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import { canonicalJson, digest } from './canonical.ts'

/** A digest of everything that the user decided for the table: the options and the calendar. */
export function configFingerprint(config: TablePartitionConfig, calculator: PeriodCalculator): string {
  return digest(
    canonicalJson({
      config: config.toJSON(),
      calculator: { name: calculator.constructor.name, timeZone: calculator.timeZone },
    }),
  )
}
