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

/**
 * Aligned columns that stay within the page: where a row is too wide, all of them break at the first of `cuts` that makes
 * the part before it fit, and the rest stands on a line of its own behind `rest`.
 */
export function alignWithin(
  rows: readonly (readonly string[])[],
  about: ColumnOptions & {
    readonly columns: number
    readonly cuts: readonly number[]
    readonly rest: string
  },
): readonly (readonly string[])[] {
  const { columns, cuts, rest, indent = '', right = [] } = about
  const fits = (lines: readonly string[]): boolean => lines.every((line) => displayWidth(line) <= columns)
  const whole = alignColumns(rows, { indent, right })
  if (fits(whole)) return whole.map((line) => [line])
  const headsAt = (cut: number): readonly string[] =>
    alignColumns(
      rows.map((row) => row.slice(0, cut)),
      { indent, right },
    )
  const cut = cuts.find((each) => fits(headsAt(each))) ?? cuts.at(-1) ?? 0
  const tails = alignColumns(
    rows.map((row) => row.slice(cut)),
    { right: right.map((column) => column - cut) },
  )
  return headsAt(cut).map((head, index) => {
    const tail = tails[index] ?? ''
    if (tail === '') return [head]
    if (displayWidth(rest + tail) <= columns) return [head, rest + tail]
    const cells = (rows[index] ?? []).slice(cut).filter((cell) => cell !== '')
    return [
      head,
      ...flow(cells, { indent: '', columns: columns - displayWidth(rest) }).flatMap((line) =>
        wrap(line, { first: rest, columns }),
      ),
    ]
  })
}

/** Parts of one sentence, two spaces apart, on as many lines as they need. */
export function flow(
  parts: readonly string[],
  { indent, columns }: { readonly indent: string; readonly columns: number },
): readonly string[] {
  const lines: string[] = []
  for (const part of parts) {
    const longer = `${lines.at(-1) ?? ''}  ${part}`
    if (lines.length === 0 || displayWidth(longer) > columns) lines.push(indent + part)
    else lines[lines.length - 1] = longer
  }
  return lines
}

export function pad(text: string, width: number, atRight = false): string {
  const space = ' '.repeat(Math.max(0, width - displayWidth(text)))
  return atRight ? space + text : text + space
}

/** Prose is hard to read on longer lines, however wide the terminal is. */
const longestProse = 100

/** Breaks a sentence at spaces, at 100 columns at most; a word that is too long keeps its line. `first` stands before the first line. */
export function wrap(
  text: string,
  {
    first,
    rest = ' '.repeat(displayWidth(first)),
    columns: most,
  }: { first: string; rest?: string; columns: number },
): readonly string[] {
  const columns = Math.min(most, longestProse)
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
