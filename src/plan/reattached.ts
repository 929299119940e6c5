import type { Partition } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import { attachByHand } from './attach-by-hand.ts'
import { noEvidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import type { Operation } from './operation.ts'
import type { DetachedDecision } from './orphans.ts'
import { decideDetached } from './orphans.ts'
import type { MaintenancePlan } from './plan.ts'
import { detachedAgain } from './detached-again.ts'
import type { PlanInput } from './survey.ts'
import { surveyTree } from './survey.ts'

/** The part of a plan that attaches the table of `PlanInput.reattach` again. */
export interface Reattached {
  /** One, or none where the table is attached already or cannot be. */
  readonly operations: readonly Operation[]
  /** Those about this table. */
  readonly findings: readonly Finding[]
  readonly hindrance?: Hindrance
}

/** Why it cannot be attached now, and what next. */
export interface Hindrance {
  readonly message: string
  /** A detach of it was begun and has not been finished. */
  readonly isPending: boolean
}

/** Expects a plan that was made from the same input. */
export function reattached(input: PlanInput, plan: MaintenancePlan): Reattached {
  const { tree, reattach: name } = input
  const result = surveyTree(input)
  if (!name) return { operations: [], findings: [] }
  if ('findings' in result) {
    return { ...refused(name, plan.findings), findings: plan.findings }
  }
  const { survey } = result
  const about = plan.findings.filter(({ relation }) => relation && sameTable(relation, name))
  const attached = survey.placed.find(({ partition }) => sameTable(partition.name, name))
  if (attached?.partition.detachPending) return pending(attached.partition, { input, about })
  if (attached) {
    const { placement, partition } = attached
    const again =
      'from' in placement && partition.kind === 'table'
        ? detachedAgain(input, survey, { name, ...placement })
        : []
    return { operations: [], findings: [...about, ...again] }
  }
  const decision = decideDetached(input, survey, noEvidence).find(({ table }) => sameTable(table.name, name))
  const operations = plan.operations.filter(
    (operation) => operation.kind === 'attach' && sameTable(operation.partition, name),
  )
  if (decision?.kind === 'attach' && operations.length > 0) {
    return { operations, findings: [...about, ...detachedAgain(input, survey, { name, ...decision.span })] }
  }
  const isDropped = plan.operations.some(
    ({ kind, reason, partition }) =>
      kind === 'drop' && reason.code === 'half-built' && sameTable(partition, name),
  )
  const from = decision?.kind === 'attach' ? decision.span.range.from : undefined
  const why = plan.findings.filter(
    (one) => about.includes(one) || (from !== undefined && one.range?.from === from),
  )
  return refused(name, why, isDropped ? neverAttached(name) : byHand(tree, decision))
}

function refused(name: TableName, why: readonly Finding[], more = ''): Reattached {
  const said = why.map(({ message, next }) => ` ${message} ${next}`).join('')
  const message = `${formatTableName(name)} cannot be attached again, and nothing was changed.${said}${more}`
  return { operations: [], findings: why, hindrance: { message, isPending: false } }
}

function pending(
  { name, boundText, marker }: Partition,
  { input, about }: { readonly input: PlanInput; readonly about: readonly Finding[] },
): Reattached {
  const table = formatTableName(name)
  const stuck = about.find(({ code }) => code === 'detach-cannot-finish')
  const again = marker
    ? `then ask again${input.config.lifecycle.drop.kind === 'after' ? ', both before a scheduled run that may drop it' : ''}.`
    : `then attach it by hand: ${attachByHand(input.tree, name, boundText)}`
  const next = stuck
    ? `${stuck.message} ${stuck.next}`
    : `Run \`maintain\` without --allow-destructive (allowDestructive: false), which finishes the detach and drops nothing, ${again}`
  const message = `${table} cannot be attached again while its detach is pending, begun and not finished, and nothing was changed. ${next}`
  return { operations: [], findings: about, hindrance: { message, isPending: true } }
}

function neverAttached(name: TableName): string {
  return ` ${formatTableName(name)} was built by a run that ended before it attached it, and it is empty: the next run drops it.`
}

/** What a person can do where the marker does not let the tool do it. */
function byHand(tree: PlanInput['tree'], decision: DetachedDecision | undefined): string {
  if (!decision) return ''
  const { table } = decision
  // Somebody else's table is attached by nobody who has not looked at it.
  if (!table.ownerIsTrusted) return ''
  const code = decision.kind === 'keep' ? decision.finding.code : undefined
  if (code !== 'marker-damaged' && code !== 'marker-not-trusted' && code !== 'orphan-range-unknown') return ''
  // Another's marker may still say the truth about the rows; one that cannot be read, or laid on the key, does not.
  const bound =
    code === 'marker-not-trusted' && table.marker.kind === 'orphan' ? table.marker.facts?.bound : undefined
  return ` To have its rows back, attach it by hand: ${attachByHand(tree, table.name, bound)}`
}
