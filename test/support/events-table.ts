/** The table that most scenarios are about: one partition for each month, in the middle of March 2026. */

import type { TablePartitionOptions } from '../../src/index.ts'

export const now = '2026-03-15T12:00:00Z'

export const monthly: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'at',
  granularity: 'month',
  createAheadCount: 1,
}

export const events = `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text) PARTITION BY RANGE (at);`

/** `[from, to)` as two dates at midnight, UTC. */
export function partition(name: string, from: string, to: string): string {
  return `CREATE TABLE ${name} PARTITION OF events FOR VALUES FROM ('${from} 00:00:00+00') TO ('${to} 00:00:00+00');`
}

/** `month('2026-03')` makes `events__2026_03` with one row in it. */
export function month(text: string, name: string = `events__${text.replace('-', '_')}`): string {
  return `${partition(name, `${text}-01`, nextMonth(text))} INSERT INTO events VALUES (1, '${text}-10 00:00:00+00', '${text}');`
}

/** As `attachedTo` gives it. */
export function attachedMonth(text: string, name: string = `events__${text.replace('-', '_')}`): string {
  return `${name} FOR VALUES FROM ('${text}-01 00:00:00+00') TO ('${nextMonth(text)} 00:00:00+00')`
}

function nextMonth(text: string): string {
  const [year = 0, number = 0] = text.split('-').map(Number)
  return number === 12 ? `${year + 1}-01-01` : `${year}-${String(number + 1).padStart(2, '0')}-01`
}

export const march: string = month('2026-03')
export const attachedMarch: string = attachedMonth('2026-03')
