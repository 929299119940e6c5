import { formatTableName } from '../model/table-name.ts'
import { detachedAgain } from './detached-again.ts'
import type { Finding } from './finding.ts'
import type { Operation } from './operation.ts'
import { coverage } from './placement.ts'
import type { MaintenancePlan } from './plan.ts'
import type { PlanInput } from './survey.ts'
import { surveyTree } from './survey.ts'

/** The part of a plan that makes the partitions that were asked for explicitly, and why one cannot be made. */
export function ensured(
  input: PlanInput,
  plan: MaintenancePlan,
): {
  readonly operations: readonly Operation[]
  readonly findings: readonly Finding[]
  readonly hindrances: readonly string[]
} {
  const result = surveyTree(input)
  if ('findings' in result) return { operations: [], findings: plan.findings, hindrances: [] }
  const { timeline, spans } = result.survey
  const usable = spans.filter(({ partition }) => !partition.detachPending)
  const slots = (input.explicit ?? []).map((position) => timeline.slotAt(position))
  const operations = plan.operations.filter(
    (operation) =>
      operation.kind === 'readmit' ||
      operation.reason.code === 'half-built' ||
      ((operation.kind === 'create' || operation.kind === 'attach') &&
        slots.some(({ range }) => range.from === operation.range.from)),
  )
  const missing = slots.filter(
    (slot) =>
      coverage(usable, slot).covered !== 'all' &&
      !operations.some((operation) => 'range' in operation && operation.range?.from === slot.range.from),
  )
  const expired = operations.flatMap((operation) => {
    const slot = slots.find(({ range }) => 'range' in operation && operation.range?.from === range.from)
    return slot ? detachedAgain(input, result.survey, { name: operation.partition, ...slot }) : []
  })
  return {
    operations,
    findings: [...plan.findings, ...expired],
    hindrances: missing.map((slot) => {
      const there = coverage(spans, slot).by.map(({ name }) => formatTableName(name))
      const why = plan.findings.filter(
        ({ range, relation }) =>
          range?.from === slot.range.from || (relation && there.includes(formatTableName(relation))),
      )
      const said = why.map(({ message, next }) => ` ${message} ${next}`).join('')
      return `The partition of ${slot.range.from} to ${slot.range.to} is not there and cannot be made now.${said}`
    }),
  }
}
