import type { Finding, MaintenancePlan, PlanBlockers } from '../../index.ts'
import { isDestructive } from '../../index.ts'
import { wrap } from './columns.ts'
import { nothingToDo, renderFindings } from './findings.ts'
import { budgetLine, type RunBudget } from './lock-words.ts'
import { renderOperations } from './operations.ts'
import { printable } from './printable.ts'
import { counted } from './quantities.ts'
import type { Page } from './style.ts'
import { tableHeader, type TableWishes } from './table-header.ts'

export interface PlanView extends TableWishes {
  readonly plan: MaintenancePlan
  /** Who is in the way; left out where nobody has looked. */
  readonly blockers?: PlanBlockers
  /** What a run may cost others; left out where locks are not shown. */
  readonly budget?: RunBudget
}

/** The plan of one table for people; says nothing about what becomes of it. */
export function renderPlan(
  { plan, blockers, budget, ...wishes }: PlanView,
  page: Page,
  options: { readonly locks: boolean } = { locks: false },
): readonly string[] {
  const operations = renderOperations(plan.operations, page, {
    timeZone: wishes.config.timeZone,
    locks: options.locks,
    ...(blockers && { blockers }),
  })
  return [
    ...tableHeader(wishes, page),
    '',
    ...(operations.length > 0 ? operations : [`  ${page.style.muted(nothingToDo(plan.findings))}`]),
    '',
    ...(budget && operations.length > 0
      ? [...wrap(budgetLine(budget), { first: '  ', columns: page.columns }), '']
      : []),
    ...adviceLines(blockers, page),
    ...renderFindings(plan.findings, page),
  ]
}

function adviceLines(blockers: PlanBlockers | undefined, { columns }: Page): readonly string[] {
  if (!blockers || blockers.advice.length === 0) return []
  return [...blockers.advice.flatMap((sentence) => wrap(printable(sentence), { first: '  ', columns })), '']
}

/** `3 operations (1 of them destructive), 1 finding.` */
export function summarizePlans(plans: readonly MaintenancePlan[]): string {
  const operations = plans.flatMap((plan) => plan.operations)
  const destructive = operations.filter((operation) => isDestructive(operation)).length
  const findings: readonly Finding[] = plans.flatMap((plan) => plan.findings)
  const which =
    destructive === 0
      ? ''
      : destructive === operations.length
        ? operations.length === 1
          ? ' that takes rows away'
          : ' that take rows away'
        : `, ${destructive} of which ${destructive === 1 ? 'takes' : 'take'} rows away`
  const found = counted(findings.length, 'finding')
  const done = counted(operations.length, 'operation')
  const text = which.startsWith(',') ? `${done}${which}; ${found}` : `${done}${which}, ${found}`
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
