import type { Finding } from '../../index.ts'
import { groupAlike, othersText } from './alike.ts'
import { wrap } from './columns.ts'
import { printable } from './printable.ts'
import type { Page } from './style.ts'

/**
 * Findings with their next step, the grave ones first; nothing where there are none. What is the same of several tables
 * is said once, of the first, unless `all` is asked for.
 */
export function renderFindings(
  findings: readonly Finding[],
  { columns, style }: Page,
  { all }: { readonly all: boolean } = { all: false },
): readonly string[] {
  const order = { error: 0, warning: 1, info: 2 } as const
  const paint = { error: style.danger, warning: style.warning, info: style.muted } as const
  const lines: string[] = []
  const sorted = [...findings].sort((a, b) => order[a.severity] - order[b.severity])
  const groups = all
    ? sorted.map((first) => ({ first, others: [], exactly: true }))
    : groupAlike(
        sorted,
        (each) => each,
        ({ code, next }) => `${code} ${next}`,
      )
  for (const { first, ...group } of groups) {
    const { code, severity, next } = first
    const message = first.message + othersText(group)
    lines.push(`  ${paint[severity](severity)}  ${style.heading(code)}`)
    lines.push(...wrap(printable(message), { first: '    ', columns }))
    lines.push(...wrap(printable(next), { first: '    Next: ', columns }), '')
  }
  return lines
}

/** What stands in place of operations where there are none. */
export function nothingToDo(findings: readonly Finding[]): string {
  return findings.every(({ severity }) => severity === 'info')
    ? 'Nothing to do.'
    : 'Nothing to do but what the findings say.'
}
