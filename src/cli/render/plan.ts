import type { Finding, MaintenancePlan } from '../../index.ts'
import { isDestructive } from '../../index.ts'
import { renderFindings } from './findings.ts'
import { renderOperations } from './operations.ts'
import { counted } from './quantities.ts'
import type { Page } from './style.ts'
import { tableHeader, type TableWishes } from './table-header.ts'

export interface PlanView extends TableWishes {
  readonly plan: MaintenancePlan
}

/** The plan of one table for people; says nothing about what becomes of it. */
export function renderPlan(
  { plan, ...wishes }: PlanView,
  page: Page,
  options: { readonly locks: boolean } = { locks: false },
): readonly string[] {
  const operations = renderOperations(plan.operations, page, {
    timeZone: wishes.config.timeZone,
    locks: options.locks,
  })
  const nothing = plan.findings.length === 0 ? 'Everything is as wanted.' : 'Nothing is planned.'
  return [
    ...tableHeader(wishes, page),
    '',
    ...(operations.length > 0 ? operations : [`  ${page.style.muted(nothing)}`]),
    '',
    ...renderFindings(plan.findings, page),
  ]
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
