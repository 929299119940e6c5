import {
  describeHolder,
  type Hazard,
  type LockHolder,
  type Operation,
  type OperationKind,
  type PlanBlockers,
} from '../../index.ts'
import { alignColumns, alignWithin, displayWidth, wrap } from './columns.ts'
import { listed } from './listed.ts'
import {
  exclusivelyLocked,
  lockedWith,
  lockRows,
  momentLine,
  scanLines,
  standbyLine,
  waitLine,
} from './lock-words.ts'
import { formatRange } from './moment.ts'
import { partitionText, printable, tableText } from './printable.ts'
import { counted, formatCount, formatSize } from './quantities.ts'
import type { Page, Style } from './style.ts'

export interface OperationListOptions {
  readonly timeZone: string
  readonly locks: boolean
  /** Who is in the way; left out where nobody has looked. */
  readonly blockers?: PlanBlockers
}

/** The numbered operations of a plan; neighbours with the same reason and hazards share the lines about them. */
export function renderOperations(
  operations: readonly Operation[],
  page: Page,
  options: OperationListOptions,
): readonly string[] {
  const digits = String(operations.length).length
  const inner = ' '.repeat(2 + digits + 2 + longestKind(operations) + 2)
  const rows = alignWithin(
    operations.map((operation, index) => [
      String(index + 1).padStart(digits),
      paintKind(page.style, operation.kind),
      partitionText(operation.partition, operation.parent),
      'range' in operation && operation.range ? formatRange(operation.range, options.timeZone) : '',
      figures(operation),
    ]),
    { indent: '  ', columns: page.columns, cuts: [4, 3], rest: inner },
  )
  const locksOf = (operation: Operation, size: number): readonly string[] => {
    if (!options.locks) return []
    const found = options.blockers?.operations.find(({ id }) => id === operation.id)
    const name = size === 1 ? undefined : 'the partition'
    return renderLocks(operation, { inner, page, blockers: found?.blockers, name })
  }
  const notes = operations.map((each) => [notesOf(each), ...locksOf(each, 2)].join('\n'))
  const lines: string[] = []
  for (const [index, operation] of operations.entries()) {
    lines.push(...(rows[index] ?? []))
    if (notes[index + 1] === notes[index]) continue
    const size = index - notes.slice(0, index).findLastIndex((other) => other !== notes[index])
    lines.push(...locksOf(operation, size), ...renderNotes(operation, { inner, size, page }))
  }
  return lines
}

export function paintKind(style: Style, kind: OperationKind): string {
  const paint = {
    create: style.good,
    attach: style.good,
    finalize: style.notice,
    detach: style.warning,
    drop: style.danger,
    unmark: style.notice,
    readmit: style.good,
  } as const
  return paint[kind](kind)
}

function longestKind(operations: readonly Operation[]): number {
  return Math.max(0, ...operations.map(({ kind }) => kind.length))
}

function figures({ kind, sizeBytes, rowEstimate }: Operation): string {
  // Where rows go out of reach, a reader must not take silence for an empty table.
  const unknown = kind === 'detach' || kind === 'drop' ? ['size unknown'] : []
  const size = sizeBytes === undefined ? unknown : [formatSize(sizeBytes)]
  const rows =
    rowEstimate === undefined ? [] : [`~${formatCount(rowEstimate)} ${rowEstimate === 1 ? 'row' : 'rows'}`]
  return [...size, ...rows].join(', ')
}

function renderLocks(
  operation: Operation,
  about: {
    readonly inner: string
    readonly page: Page
    readonly blockers: readonly LockHolder[] | undefined
    /** What the partition is called; left out, by its name. */
    readonly name: string | undefined
  },
): readonly string[] {
  const { inner, page, blockers, name } = about
  const { style, columns } = page
  const named = name === undefined ? (text: string) => text : renaming(operation, name)
  const rows = lockRows(operation).map((row) => row.map(named))
  const table = alignColumns(rows)
  const lines = table.every((row) => displayWidth(inner) + 7 + displayWidth(row) <= columns)
    ? table
    : rows.flatMap(([relation = '', mode = '', effect = '']) =>
        [`${relation}  ${mode}`].concat(wrap(effect, { first: '  ', columns: columns - inner.length - 7 })),
      )
  const wait = waitLine(operation)
  const labelled = (label: string, text: string): readonly string[] =>
    wrap(named(text), { first: `${inner}${label.padEnd(5)}  `, rest: `${inner}${' '.repeat(9)}`, columns })
  return [
    ...lines.map((line, index) => style.muted(`${inner}${index === 0 ? 'locks' : '     '}  ${line}`)),
    ...[
      ...scanLines(operation),
      ...momentLine(operation),
      ...(wait === undefined ? [] : [wait]),
      standbyLine(operation),
    ].flatMap((text) => labelled('', text).map((line) => style.muted(line))),
    ...(blockers === undefined
      ? []
      : blockers.length === 0
        ? labelled('now', 'nobody is in the way').map((line) => style.muted(line))
        : blockers.flatMap((holder, index) =>
            labelled(index === 0 ? 'now' : '', printable(describeHolder(holder))).map((line) =>
              style.warning(line),
            ),
          )),
  ]
}

/** Calls the partition by another name, which is the same for all of a group. */
function renaming({ partition }: Operation, name: string): (text: string) => string {
  const own = tableText(partition)
  return (text) =>
    text
      .split(own)
      .reduce((left, right) => (/^\w/.test(right) ? `${left}${own}${right}` : `${left}${name}${right}`))
}

function renderNotes(
  operation: Operation,
  about: { readonly inner: string; readonly size: number; readonly page: Page },
): readonly string[] {
  const { inner, size, page } = about
  const { columns, style } = page
  const reason = `${size > 1 ? 'each: ' : ''}${printable(operation.reason.text)}`
  return [
    ...wrap(reason, { first: inner, columns }).map((line) => style.muted(line)),
    ...operation.hazards.flatMap((hazard) =>
      wrap(`${hazard}: ${describeHazard(hazard, operation, size)}`, {
        first: `${inner}! `,
        rest: `${inner}  `,
        columns,
      }).map((line) => style.warning(line)),
    ),
  ]
}

/** What the hazard means for this operation, for people who run the application. */
function describeHazard(hazard: Hazard, operation: Operation, size: number): string {
  const parent = tableText(operation.parent)
  switch (hazard) {
    case 'access-exclusive-lock':
      return `blocks reads and writes of ${usedAndLocked(operation)} while it runs`
    case 'blocks-writes':
      return `blocks writes of ${listed(lockedWith('SHARE ROW EXCLUSIVE', operation.locks))} while it runs; reads go on`
    case 'full-scan':
      return describeScan(operation)
    case 'deletes-data':
      return size > 1 ? 'their rows are gone afterwards' : 'its rows are gone afterwards'
    case 'hides-data':
      return `${size > 1 ? 'their' : 'its'} rows are no longer found through ${parent}`
    case 'rewrites-rows': {
      const rows = 'rowsInDefault' in operation ? operation.rowsInDefault : 0
      return `moves ${counted(rows, 'row')} out of the DEFAULT partition`
    }
    case 'not-transactional':
      return 'cannot be rolled back; cut short, it is finished by the next run'
    case 'cancels-standby-queries':
      return `on a standby, queries of ${usedAndLocked(operation)} that run on are cancelled (max_standby_streaming_delay)`
    case 'rejects-inserts':
      return 'inserts into the new range fail while the DEFAULT partition is read without a lock; none are expected yet'
  }
}

function describeScan(operation: Operation): string {
  const fallback = 'the DEFAULT partition in full, to be sure that no row of the range is left there'
  if (operation.kind === 'detach') {
    const names = new Set(operation.scans.map(({ relation }) => tableText(relation)))
    return `may read ${listed([...names])} in full, to be sure that no row refers to the partition`
  }
  // Its own rows are proven to be in the range beforehand, without a lock that anybody waits for.
  if (operation.kind !== 'attach' || operation.provesRange) return `reads ${fallback}`
  const own = 'reads the table in full to check its rows, unless its CHECK proves them'
  return operation.guard.defaultOid === null ? own : `${own}, and ${fallback}`
}

/** Tables that others use: the partition itself is locked in any case. */
function usedAndLocked({ locks }: Operation): string {
  const names = exclusivelyLocked(locks.filter(({ role }) => role !== 'partition'))
  return listed(names.length > 0 ? names : exclusivelyLocked(locks))
}

function notesOf(operation: Operation): string {
  const rows = 'rowsInDefault' in operation ? operation.rowsInDefault : 0
  return JSON.stringify([operation.kind, operation.reason.text, operation.hazards, rows])
}
