import type { Finding } from '../../index.ts'
import { wrap } from './columns.ts'
import { printable } from './printable.ts'
import type { Page } from './style.ts'

/** Findings with their next step, the grave ones first; nothing where there are none. */
export function renderFindings(findings: readonly Finding[], { columns, style }: Page): readonly string[] {
  const order = { error: 0, warning: 1, info: 2 } as const
  const paint = { error: style.danger, warning: style.warning, info: style.muted } as const
  const lines: string[] = []
  for (const { code, severity, message, next } of [...findings].sort(
    (a, b) => order[a.severity] - order[b.severity],
  )) {
    lines.push(`  ${paint[severity](severity)}  ${style.heading(code)}`)
    lines.push(...wrap(printable(message), { first: '    ', columns }))
    lines.push(...wrap(printable(next), { first: '    Next: ', columns }), '')
  }
  return lines
}
