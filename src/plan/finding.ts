import type { TableName } from '../model/table-name.ts'
import type { RangeText } from './operation.ts'

/** Something about the world that is not as wanted. A finding is data in the plan; it is never thrown. */
export interface Finding {
  readonly code: FindingCode
  readonly severity: FindingSeverity
  /** The partition or table that it is about; undefined for the parent. */
  readonly relation?: TableName
  /** The period that it keeps without a partition of its own, in the literals of its bound. */
  readonly range?: RangeText
  /** What is so and why it matters. */
  readonly message: string
  /** What a person can do about it. */
  readonly next: string
}

/** `error`: what is wanted cannot be done, so a run is no success. `warning`: a person is needed. `info`: good to know. */
export type FindingSeverity = 'error' | 'warning' | 'info'

export type FindingCode =
  | 'method-mismatch'
  | 'key-mismatch'
  | 'key-type-unsupported'
  | 'unique-key-lacks-partition-key'
  | 'rights-missing'
  | 'current-partition-missing'
  | 'inserts-fail'
  | 'detach-pending'
  | 'detach-left-pending'
  | 'detach-pending-unmarked'
  | 'detach-cannot-finish'
  | 'bound-unreadable'
  | 'open-ended-partition'
  | 'off-calendar-partition'
  | 'calendar-fits-nothing'
  | 'range-overlap'
  | 'name-taken'
  | 'rows-in-default'
  | 'rows-in-default-referenced'
  | 'rows-in-default-published'
  | 'default-too-large'
  | 'range-excluded'
  | 'rows-astray-in-default'
  | 'default-unread'
  | 'default-not-movable'
  | 'marker-not-trusted'
  | 'marker-damaged'
  | 'orphan-referenced'
  | 'orphan-wanted'
  | 'orphan-depended-on'
  | 'orphan-inherits'
  | 'orphan-kept'
  | 'orphan-age-unknown'
  | 'orphan-range-unknown'
  | 'reattached-expired'
  | 'concurrent-detach-impossible'
  | 'partition-referenced'
  | 'reference-check-too-long'
  | 'reference-check-unread'
  | 'reference-check-postponed'
  | 'partition-kind-unsupported'
  | 'half-built-with-rows'
  | 'hazard-not-allowed'
  | 'lock-timeout-held'
  | 'server-only-reads'

/** Every finding there is, with its severity and what it means; the reference page is made from it. */
export const findingCatalog: Readonly<Record<FindingCode, readonly [FindingSeverity, string]>> = {
  'method-mismatch': ['error', 'The table is partitioned by LIST or HASH, the configuration says RANGE.'],
  'key-mismatch': ['error', 'The partition key is not the one configured column.'],
  'key-type-unsupported': ['error', 'The partition key is not a timestamptz, timestamp or date.'],
  'unique-key-lacks-partition-key': ['error', 'A primary or unique key does not contain the partition key.'],
  'rights-missing': ['warning', 'The connected role lacks a right that carrying out a plan needs.'],
  'inserts-fail': [
    'error',
    'No partition takes rows of the present moment, there is no DEFAULT, and the plan cannot make one.',
  ],
  'current-partition-missing': [
    'info',
    'There is neither a partition for the present moment nor a DEFAULT; only `inspect` and `validate` say so.',
  ],
  'detach-pending': [
    'info',
    'A detach was begun and not finished; it is finished first, the rest is planned after it.',
  ],
  'detach-left-pending': [
    'warning',
    'A detach was begun more than ten minutes ago and is still pending; only `inspect` and `validate` say so.',
  ],
  'detach-pending-unmarked': [
    'warning',
    'A detach that this tool did not begin is pending; it is finished, the table stays unmanaged.',
  ],
  'detach-cannot-finish': [
    'error',
    'A parent was changed while a detach was pending, and PostgreSQL 18 cannot finish the detach so.',
  ],
  'bound-unreadable': [
    'warning',
    'The bound of a partition could not be read, so the partition is never touched.',
  ],
  'open-ended-partition': [
    'info',
    'A partition is open to MINVALUE, MAXVALUE or infinity, so it is never retired.',
  ],
  'off-calendar-partition': [
    'info',
    'A partition does not lie inside one period of the calendar, so it is not managed.',
  ],
  'calendar-fits-nothing': [
    'warning',
    'No partition lies inside a period of the calendar; only `inspect` and `validate` say so.',
  ],
  'range-overlap': [
    'warning',
    'A period cannot be created because an existing partition covers a part of it.',
  ],
  'name-taken': ['warning', 'A period cannot be created because another relation has its name.'],
  'rows-in-default': ['warning', 'DEFAULT holds more rows of a period than one short transaction may move.'],
  'rows-in-default-referenced': [
    'warning',
    'DEFAULT holds rows of a period, and other tables refer to this table, so they cannot be moved.',
  ],
  'rows-in-default-published': [
    'warning',
    'DEFAULT holds rows of a period, and a publication sends changes of this table, so they cannot be moved.',
  ],
  'default-too-large': [
    'warning',
    'Attaching beside DEFAULT reads all of it under a lock, for longer than readers and writers may wait.',
  ],
  'range-excluded': [
    'warning',
    'DEFAULT has a CHECK that a run was to take off again, and inserts of its range fail until the next run has.',
  ],
  'rows-astray-in-default': [
    'warning',
    'DEFAULT holds rows from before the current period or without a key, which `maintain` neither moves nor expires.',
  ],
  'default-unread': [
    'info',
    'The rows of DEFAULT could not be read, so what is in it, and what a scan of it costs, is not known.',
  ],
  'default-not-movable': [
    'warning',
    'DEFAULT is or has a foreign table, so whether it holds rows of a period cannot be checked under a lock.',
  ],
  'marker-not-trusted': [
    'warning',
    'A marker names another table or database, or its writer has no right to the parent; it is ignored.',
  ],
  'marker-damaged': ['warning', 'A marker cannot be read, so its table is never dropped.'],
  'orphan-referenced': ['warning', 'Other tables refer to a detached table, so it is not dropped.'],
  'orphan-depended-on': [
    'warning',
    'A view or another object depends on a table that is to be dropped, so it is not dropped.',
  ],
  'orphan-inherits': [
    'warning',
    'A detached table was made an heir of another one, so it is neither attached again nor dropped.',
  ],
  'orphan-wanted': [
    'warning',
    'The period of a detached table is wanted again and it cannot be attached, or not by itself.',
  ],
  'orphan-kept': [
    'info',
    'A detached table is kept: its grace period runs, it is not due yet, or tables are never dropped.',
  ],
  'orphan-age-unknown': [
    'warning',
    'When a table was detached is not known, so its grace period cannot have ended.',
  ],
  'orphan-range-unknown': [
    'warning',
    'Which period a detached table held is not known, so it is neither attached again nor dropped.',
  ],
  'reattached-expired': [
    'warning',
    'A partition that was asked for, or to be attached again, has expired, so the next run that may detach takes it out again.',
  ],
  'concurrent-detach-impossible': [
    'warning',
    "Partitions expired, detachMode is 'concurrent', and a DEFAULT, a foreign key or a pooler stands against that.",
  ],
  'partition-referenced': [
    'warning',
    'Partitions expired, and rows of another table refer to them, so they are not detached.',
  ],
  'reference-check-too-long': [
    'warning',
    'To see that no row refers to an expired partition the server would hold its locks for too long.',
  ],
  'reference-check-unread': [
    'warning',
    'Whether rows refer to an expired partition could not be read, so it is not detached.',
  ],
  'reference-check-postponed': [
    'info',
    'There was no time left to look for rows that refer to an expired partition, so it is not detached now.',
  ],
  'partition-kind-unsupported': [
    'warning',
    'A partition is a foreign or partitioned table, which this version does not retire.',
  ],
  'hazard-not-allowed': [
    'warning',
    'An operation is due and has a cost or risk that `allowHazards` does not allow, so it is not planned.',
  ],
  'lock-timeout-held': [
    'info',
    'lockTimeoutMs is longer than deadlock_timeout leaves room for; only `inspect` and `validate` say so.',
  ],
  'server-only-reads': [
    'info',
    'The server is a standby, or the session only reads, so changes are refused here; `validate` ends with 5.',
  ],
  'half-built-with-rows': [
    'warning',
    'A table that was built and never attached holds rows, so it is neither attached nor dropped.',
  ],
}

export function finding(code: FindingCode, about: Omit<Finding, 'code' | 'severity'>): Finding {
  return { code, severity: findingCatalog[code][0], ...about }
}
