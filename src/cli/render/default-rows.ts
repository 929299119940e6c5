import type { DefaultRowsCounted, TableInspection } from '../../index.ts'
import { alignColumns, wrap } from './columns.ts'
import { formatRange } from './moment.ts'
import { partitionText, printable } from './printable.ts'
import { counted, formatCount } from './quantities.ts'
import type { Page } from './style.ts'

const longest = 20
const shownAtEnds = 6

/** The rows of the DEFAULT partition by period, and how much of it was read; nothing where there is no DEFAULT. */
export function renderDefaultRows(
  { defaultRows, table }: TableInspection,
  { columns, style }: Page,
  { timeZone, all }: { readonly timeZone: string; readonly all: boolean },
): readonly string[] {
  if (defaultRows === undefined) return []
  const name = partitionText(defaultRows.relation, table)
  const sentence = (text: string): readonly string[] => wrap(text, { first: '  ', columns })
  if (defaultRows.counted === 'not') {
    return sentence(`The rows of ${name} (DEFAULT) are not counted. ${printable(defaultRows.why)}`)
  }
  const isSample = defaultRows.counted === 'by-sample'
  if (defaultRows.rows === 0) {
    return sentence(
      isSample
        ? `${name} (DEFAULT) holds no rows, judged by ${shareText(defaultRows)} of its pages.`
        : `${name} (DEFAULT) holds no rows.`,
    )
  }
  const number = isSample ? about : formatCount
  const head = isSample
    ? `${name} (DEFAULT) holds about ${counted(rounded(defaultRows.rows), 'row')}, judged by ${shareText(defaultRows)} of its pages; a few rows may be missed:`
    : `${name} (DEFAULT) holds ${counted(defaultRows.rows, 'row')}:`
  const rows = alignColumns(
    [
      ...defaultRows.periods.map(({ range, state, rows: held, several }) => [
        `${formatRange(range, timeZone)}${several === true ? ' (several periods)' : ''}`,
        state,
        number(held),
      ]),
      ...(defaultRows.infinite > 0 ? [['infinity', '', number(defaultRows.infinite)]] : []),
      ...(defaultRows.withoutKey > 0 ? [['no key (NULL)', '', number(defaultRows.withoutKey)]] : []),
    ],
    { indent: '    ', right: [2] },
  )
  const left = rows.length - 2 * shownAtEnds
  const shown =
    all || rows.length <= longest
      ? rows
      : [
          ...rows.slice(0, shownAtEnds),
          style.muted(`    .. ${formatCount(left)} more; --verbose shows them`),
          ...rows.slice(-shownAtEnds),
        ]
  return [...sentence(head), ...shown]
}

/** An estimate does not pretend to be exact. */
function rounded(rows: number): number {
  return Number(rows.toPrecision(2))
}

function about(rows: number): string {
  return `~${formatCount(rounded(rows))}`
}

function shareText({ share }: DefaultRowsCounted): string {
  const percent = share * 100
  return `${percent < 1 ? percent.toPrecision(1) : Math.round(percent)}%`
}
