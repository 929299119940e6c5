/** What every generated page begins with. */
export const generatedNote =
  '<!-- Generated from the code by `npm run docs`. Change the code, not this page. -->'

export interface GeneratedPage {
  /** Relative to the repository. */
  readonly path: string
  readonly text: string
}

export function page(path: string, lines: readonly string[]): GeneratedPage {
  return { path, text: `${[generatedNote, '', ...lines].join('\n').trimEnd()}\n` }
}

/** Lays a table out as the formatter does. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const cells = [head, ...rows].map((row) => row.map(cellText))
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width)).join(' | ')} |`
  const [first = [], ...rest] = cells
  return [line(first), line(widths.map((width) => '-'.repeat(width))), ...rest.map(line), '']
}

function cellText(cell: string): string {
  return cell.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ')
}
