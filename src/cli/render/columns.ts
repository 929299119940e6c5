/** Text laid out for a terminal: how wide it is, aligned columns, wrapped sentences. */

// oxlint-disable-next-line no-control-regex -- The escape sequences of colours begin with a control character.
const colour = /\u001b\[[\d;]*m/g
const wide =
  /\p{Extended_Pictographic}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u
const ascii = /^[ -~]*$/
const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** How many columns of a terminal the text takes; colours take none, emoji and CJK two each. */
export function displayWidth(text: string): number {
  const bare = text.replaceAll(colour, '')
  if (ascii.test(bare)) return bare.length
  let width = 0
  for (const { segment } of segmenter.segment(bare)) width += wide.test(segment) ? 2 : 1
  return width
}

export interface ColumnOptions {
  readonly indent?: string
  /** The columns whose cells stand at the right. */
  readonly right?: readonly number[]
}

/** Lines with aligned columns, two spaces between them; columns that are empty everywhere are left out. */
export function alignColumns(
  rows: readonly (readonly string[])[],
  { indent = '', right = [] }: ColumnOptions = {},
): readonly string[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(0, ...rows.map((row) => displayWidth(row[column] ?? ''))),
  )
  return rows.map((row) =>
    `${indent}${widths
      .flatMap((width, column) =>
        width === 0 ? [] : [pad(row[column] ?? '', width, right.includes(column))],
      )
      .join('  ')}`.trimEnd(),
  )
}

export function pad(text: string, width: number, atRight = false): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return atRight ? space + text : text + space
}

/** Breaks a sentence at spaces; a word that is too long keeps its line. `first` stands before the first line. */
export function wrap(
  text: string,
  {
    first,
    rest = ' '.repeat(displayWidth(first)),
    columns,
  }: { first: string; rest?: string; columns: number },
): readonly string[] {
  const lines: string[] = []
  for (const part of text.split('\n')) {
    let line = lines.length === 0 ? first : rest
    let begun = false
    for (const word of part.split(' ')) {
      if (begun && displayWidth(line) + 1 + displayWidth(word) > columns) {
        lines.push(line)
        line = rest + word
      } else {
        line += (begun ? ' ' : '') + word
      }
      begun = true
    }
    lines.push(line.trimEnd())
  }
  return lines
}
