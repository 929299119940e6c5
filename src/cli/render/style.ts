import { createColors } from 'picocolors'

type Paint = (text: string) => string

/** What colours mean; without a terminal they are nothing. */
export interface Style {
  readonly heading: Paint
  readonly muted: Paint
  readonly good: Paint
  readonly notice: Paint
  readonly warning: Paint
  readonly danger: Paint
  readonly odd: Paint
}

/** How wide a text for people may be, and whether it may have colours. */
export interface Page {
  readonly columns: number
  readonly style: Style
}

export function styleFor(colours: boolean): Style {
  const paint = createColors(colours)
  return {
    heading: paint.bold,
    muted: paint.dim,
    good: paint.green,
    notice: paint.cyan,
    warning: paint.yellow,
    danger: paint.red,
    odd: paint.magenta,
  }
}

/** Without colours and 80 columns wide: what a file or a pipe gets. */
export const plainPage: Page = { columns: 80, style: styleFor(false) }
