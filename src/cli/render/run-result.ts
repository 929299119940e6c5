import {
  type MaintenanceIssue,
  type MaintenanceResult,
  nameHolder,
  type OperationOutcome,
  type OperationWait,
  type TableName,
} from '../../index.ts'
import { groupAlike, othersText } from './alike.ts'
import { alignWithin, wrap } from './columns.ts'
import { nothingToDo, renderFindings } from './findings.ts'
import { paintKind } from './operations.ts'
import { partitionText, printable } from './printable.ts'
import { counted, formatTook } from './quantities.ts'
import type { Page, Style } from './style.ts'
import { tableHeader, type TableWishes } from './table-header.ts'

export interface RunView extends TableWishes {
  readonly result: MaintenanceResult
  /** Whether another maintainer was at work, so that nothing was done here. */
  readonly locked: boolean
  /** Leaves out what is only good to know. */
  readonly quiet: boolean
}

/** What a run did to one table, for people. */
export function renderRun(view: RunView, page: Page): readonly string[] {
  const { result, locked, quiet } = view
  const digits = String(result.operations.length).length
  const rows = alignWithin(
    result.operations.map((outcome, index) => [
      String(index + 1).padStart(digits),
      paintKind(page.style, outcome.kind),
      partitionText(outcome.partition, result.table),
      paintStatus(page.style, outcome.status),
      wasTried(outcome) ? formatTook(outcome.durationMs) : '',
      remarkOn(outcome, result.operations[index - 1]),
    ]),
    { indent: '  ', columns: page.columns, cuts: [5, 3], rest: ' '.repeat(digits + 4) },
  ).flat()
  return [
    ...tableHeader(view, page),
    '',
    ...(rows.length > 0
      ? rows
      : result.error === undefined
        ? [`  ${page.style.muted(nothingToDo(result.findings))}`]
        : []),
    ...renderIssues(result, page, { locked, first: rows.length === 0 }),
    '',
    ...renderFindings(
      result.findings.filter(({ severity }) => !quiet || severity !== 'info'),
      page,
    ),
  ]
}

function wasTried({ status }: OperationOutcome): boolean {
  return status !== 'not-run' && status !== 'withheld'
}

const longReason = 60

function remarkOn(outcome: OperationOutcome, before: OperationOutcome | undefined): string {
  const { status, message = '', rowsMoved, waited } = outcome
  // What was withheld is said at the end, for all of them.
  if (status === 'withheld') return ''
  if (status === 'not-run') {
    const isSame = before?.status === status && before.message === message && message.length > longReason
    return isSame ? 'for the same reason' : printable(message)
  }
  return [
    ...(rowsMoved === undefined ? [] : [`moved ${counted(rowsMoved, 'row')} out of DEFAULT`]),
    // The message of what failed says it with all that is known.
    ...(waited && (status === 'done' || status === 'raced') ? [waitText(waited)] : []),
  ].join('; ')
}

/** `41.1 s of it waiting for pid 4711 (dashboard), gave way 3 times` */
function waitText({ durationMs, gaveWayCount, inTheWay }: OperationWait): string {
  const names = inTheWay.map((holder) => printable(nameHolder(holder)))
  const more = names.length - mostWaitedFor
  const who =
    names.length === 0
      ? 'locks'
      : `${names.slice(0, mostWaitedFor).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  const times =
    gaveWayCount === 0 ? '' : `, gave way ${gaveWayCount === 1 ? 'once' : `${gaveWayCount} times`}`
  return `${formatTook(durationMs)} of it waiting for ${who}${times}`
}

const mostWaitedFor = 3

function paintStatus(style: Style, status: OperationOutcome['status']): string {
  const paint = {
    done: style.good,
    raced: style.notice,
    refused: style.warning,
    failed: style.danger,
    'not-run': style.muted,
    withheld: style.warning,
  } as const
  return paint[status](status === 'raced' ? 'done by another' : status)
}

interface Trouble {
  readonly severity: MaintenanceIssue['severity'] | 'locked'
  readonly message: string
  readonly partition?: TableName
}

function renderIssues(
  result: MaintenanceResult,
  { columns, style }: Page,
  about: { readonly locked: boolean; readonly first: boolean },
): readonly string[] {
  // A grave finding is an issue of the run too; it is said once, as a finding.
  const findings = new Set(result.findings.map(({ message, next }) => `${message} ${next}`))
  const issues: readonly Trouble[] = [
    ...result.issues.filter(({ step, message }) => step !== 'plan' || !findings.has(message)),
    // What ended the run is an issue of an operation in most cases, and is said once.
    ...(result.error === undefined || result.issues.some(({ message }) => message === result.error)
      ? []
      : [{ severity: about.locked ? 'locked' : 'error', message: result.error } as const]),
  ]
  const paint = { error: style.danger, warning: style.warning, locked: style.notice } as const
  const lines: string[] = []
  const groups = groupAlike(
    issues,
    ({ message, partition }) => ({ message, relation: partition }),
    ({ severity }) => severity,
  )
  for (const { first: issue, ...group } of groups) {
    const { severity } = issue
    const message = issue.message + othersText(group)
    const first = `  ${paint[severity](severity)}  `
    if (lines.length > 0 || !about.first) lines.push('')
    lines.push(...wrap(printable(message), { first, rest: '    ', columns }))
  }
  return lines
}

/** `Created 1, detached 6, dropped 6.` */
export function summarizeRuns(results: readonly MaintenanceResult[]): string {
  const total = (count: (result: MaintenanceResult) => number): number =>
    results.reduce((sum, result) => sum + count(result), 0)
  const done = (kind: OperationOutcome['kind']): number =>
    total(
      ({ operations }) => operations.filter((each) => each.kind === kind && each.status === 'done').length,
    )
  const parts = [
    ['readmitted', done('readmit')],
    ['created', total(({ createdCount }) => createdCount)],
    ['attached', total(({ attachedCount }) => attachedCount)],
    ['finalized', total(({ finalizedCount }) => finalizedCount)],
    ['unmarked', done('unmark')],
    ['detached', total(({ detachedCount }) => detachedCount)],
    ['dropped', total(({ droppedCount }) => droppedCount)],
  ] as const
  const did = parts.filter(([, count]) => count > 0).map(([word, count]) => `${word} ${count}`)
  if (did.length === 0)
    return results.some(startedSomething) ? 'Nothing was finished.' : 'Nothing was changed.'
  const text = did.join(', ')
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}

/** A failed operation may have committed a step, such as a table that was built and not attached. */
function startedSomething({ operations }: MaintenanceResult): boolean {
  return operations.some(({ status }) => status === 'failed')
}
