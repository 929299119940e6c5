import type { MaintenanceIssue, MaintenanceResult, OperationOutcome } from '../../index.ts'
import { alignWithin, wrap } from './columns.ts'
import { renderFindings } from './findings.ts'
import { paintKind } from './operations.ts'
import { partitionText, printable } from './printable.ts'
import { counted, formatTook } from './quantities.ts'
import type { Page, Style } from './style.ts'
import { tableHeader, type TableWishes } from './table-header.ts'

export interface RunView extends TableWishes {
  readonly result: MaintenanceResult
  /** Whether another maintainer was at work, so that nothing was done here. */
  readonly locked: boolean
  /** Whether detaching and dropping was not allowed. */
  readonly gated: boolean
}

/** What a run did to one table, for people. */
export function renderRun(view: RunView, page: Page): readonly string[] {
  const { result, locked, gated } = view
  const digits = String(result.operations.length).length
  const rows = alignWithin(
    result.operations.map((outcome, index) => [
      String(index + 1).padStart(digits),
      paintKind(page.style, outcome.kind),
      partitionText(outcome.partition, result.table),
      paintStatus(page.style, gated && isWithheld(outcome) ? 'withheld' : outcome.status),
      outcome.status === 'not-run' ? '' : formatTook(outcome.durationMs),
      remarkOn(outcome, gated),
    ]),
    { indent: '  ', columns: page.columns, cuts: [5, 3], rest: ' '.repeat(digits + 4) },
  ).flat()
  return [
    ...tableHeader(view, page),
    '',
    ...(rows.length > 0
      ? rows
      : result.error === undefined
        ? [`  ${page.style.muted('Nothing to do.')}`]
        : []),
    ...renderIssues(result, page, { locked, first: rows.length === 0 }),
    '',
    ...renderFindings(result.findings, page),
  ]
}

/** Detaching, and dropping what was detached, is what takes rows away. */
function isWithheld({ status, kind }: OperationOutcome): boolean {
  return status === 'not-run' && (kind === 'detach' || kind === 'drop')
}

function remarkOn(outcome: OperationOutcome, gated: boolean): string {
  if (outcome.rowsMoved !== undefined) return `moved ${counted(outcome.rowsMoved, 'row')} out of DEFAULT`
  return outcome.status === 'not-run' && !(gated && isWithheld(outcome))
    ? printable(outcome.message ?? '')
    : ''
}

function paintStatus(style: Style, status: OperationOutcome['status'] | 'withheld'): string {
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
  for (const { severity, message } of issues) {
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
