import { type Finding, formatTableName, type TableName } from '../../index.ts'
import type { TableReport } from '../report.ts'
import type { RunTableReport } from '../run-report.ts'
import { wrap } from './columns.ts'
import { renderFindings } from './findings.ts'
import { listed } from './listed.ts'
import { printable } from './printable.ts'
import { counted } from './quantities.ts'
import type { Page } from './style.ts'

/** So many tables with nothing to do are told one by one. */
const mostApart = 3

/**
 * What a run did to each table; those with nothing to do are told together where they are many.
 *
 * `quiet` leaves them out, so that there is nothing where nothing was done and nobody is needed. `all` tells each.
 */
export function renderRuns(
  reports: readonly RunTableReport[],
  page: Page,
  { quiet, all }: { readonly quiet: boolean; readonly all: boolean },
): readonly (readonly string[])[] {
  return renderTables(quiet ? reports.filter((report) => !isCalm(report)) : reports, page, {
    findingsOfCalm: (report) => (isCalm(report) ? report.result.findings : undefined),
    said: 'Nothing to do in',
    all,
  })
}

/** Nothing was done, and nobody is needed. */
function isCalm({ exitCode, error, result }: RunTableReport): boolean {
  return exitCode === 0 && error === undefined && result.operations.length === 0 && result.issues.length === 0
}

/** The lines of each table; those that are calm are told together behind the others where they are many. */
export function renderTables<T extends Pick<TableReport, 'table' | 'lines'>>(
  reports: readonly T[],
  page: Page,
  about: {
    /** What is good to know of a table that is calm; nothing where it is not. */
    readonly findingsOfCalm: (report: T) => readonly Finding[] | undefined
    readonly said: string
    readonly all: boolean
  },
): readonly (readonly string[])[] {
  const calm = reports.flatMap((report) => {
    const findings = about.findingsOfCalm(report)
    return findings ? [{ report, table: report.table, findings }] : []
  })
  if (about.all || calm.length <= mostApart) return reports.map((report) => report.lines(page))
  const told = new Set(calm.map(({ report }) => report))
  const others = reports.filter((report) => !told.has(report))
  return [...others.map((report) => report.lines(page)), tellTogether(calm, { said: about.said, page })]
}

/** Many tables of which the same is said, in one sentence, and what is good to know of them, each once. */
function tellTogether(
  tables: readonly { readonly table: TableName; readonly findings: readonly Finding[] }[],
  { said, page }: { readonly said: string; readonly page: Page },
): readonly string[] {
  const names = listed(
    tables.map(({ table }) => formatTableName(table)),
    mostApart,
  )
  // What is said of the table itself names no other, and is told together all the same.
  const findings = tables.flatMap(({ table, findings: its }) =>
    its.map((each) => ({ relation: table, ...each })),
  )
  const text = `${said} ${counted(tables.length, 'table')}: ${names}.`
  return [
    ...wrap(printable(text), { first: '', columns: page.columns }),
    ...(findings.length > 0 ? ['', ...renderFindings(findings, page)] : []),
  ]
}
