import { type Finding, formatTableName, type TableName } from '../../index.ts'
import type { RunTableReport } from '../run-report.ts'
import { wrap } from './columns.ts'
import { renderFindings } from './findings.ts'
import { listed } from './listed.ts'
import { printable } from './printable.ts'
import { counted } from './quantities.ts'
import type { Page } from './style.ts'

/** So many tables with nothing to do are told one by one. */
export const mostApart = 3

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
  const calm = reports.filter(isCalm)
  const others = reports.filter((report) => !isCalm(report))
  if (quiet) return others.map((report) => report.lines(page))
  if (all || calm.length <= mostApart) return reports.map((report) => report.lines(page))
  return [...others.map((report) => report.lines(page)), together(calm, page)]
}

/** Nothing was done, and nobody is needed. */
function isCalm({ exitCode, error, result }: RunTableReport): boolean {
  return exitCode === 0 && error === undefined && result.operations.length === 0 && result.issues.length === 0
}

function together(calm: readonly RunTableReport[], page: Page): readonly string[] {
  return tellTogether(
    calm.map(({ table, result }) => ({ table, findings: result.findings })),
    { said: 'Nothing to do in', page },
  )
}

/** Many tables of which the same is said, in one sentence, and what is good to know of them, each once. */
export function tellTogether(
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
