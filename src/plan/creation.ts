import { InvalidPartitionConfigError } from '../errors.ts'
import { describeBound } from '../model/bound.ts'
import type { DetachedTable } from '../model/partition-tree.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import { attachOperation, createOperation } from './build-operation.ts'
import { wayBesideDefault } from './beside-default.ts'
import { whyRowsCannotMove } from './default-rows.ts'
import type { Evidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { Operation } from './operation.ts'
import type { DetachedDecision } from './orphans.ts'
import { attaching, isAskedFor } from './orphans.ts'
import { coverage } from './placement.ts'
import type { PlanInput, Survey } from './survey.ts'
import type { Slot } from './timeline.ts'
import { slotName } from './timeline.ts'

export interface MissingPeriod {
  readonly name: TableName
  readonly slot: Slot
  readonly reason: 'create-ahead' | 'explicit'
}

/** The wanted periods that nothing covers, and findings for those that are covered in part. */
export function missingPeriods(
  input: PlanInput,
  survey: Survey,
  decisions: readonly DetachedDecision[],
): { readonly missing: readonly MissingPeriod[]; readonly findings: readonly Finding[] } {
  const { calculator, tree } = input
  const missing: MissingPeriod[] = []
  const findings: Finding[] = []
  const returning = attaching(decisions)
  const named = new Map<string, Slot>()
  for (const { slot, reason } of survey.wanted) {
    const { covered, by } = coverage(survey.spans, slot)
    const back = returning.filter(({ span }) => span.from < slot.to && span.to > slot.from)
    const { schema, name: table } = tree.parent.name
    if (covered === 'all' || back.some(({ span }) => span.from <= slot.from && span.to >= slot.to)) continue
    if (covered === 'none' && back.length === 0) {
      const name = { schema, name: slotName({ calculator, keyType: survey.keyType, table, slot }) }
      const twin = named.get(name.name) ?? attachedTwin(input, survey, name)
      if (twin) throw sameName(input, name, [twin, slot])
      named.set(name.name, slot)
      missing.push({ name, slot, reason })
      continue
    }
    const others = [
      ...by.map(({ name, bound }) => `${formatTableName(name)} ${bound ? describeBound(bound) : ''}`),
      ...back.map(({ table }) => `${formatTableName(table.name)} (detached, to be attached again)`),
    ]
    findings.push(
      finding('range-overlap', {
        range: slot.range,
        message: `The period ${slot.range.from} to ${slot.range.to} is partly covered by ${others.join(', ')}, so its partition cannot be created.`,
        next: 'Create partitions for the parts that are not covered by hand, or move the bounds so that they meet the calendar.',
      }),
    )
  }
  return { missing, findings }
}

/** The period of the partition that has the name, where the calendar itself gives it that name. */
function attachedTwin({ calculator, tree }: PlanInput, survey: Survey, name: TableName): Slot | undefined {
  const holder = survey.placed.find(({ partition }) => sameTable(partition.name, name))
  if (holder?.placement.kind !== 'aligned') return undefined
  const { slot } = holder.placement
  const own = slotName({ calculator, keyType: survey.keyType, table: tree.parent.name.name, slot })
  return own === name.name ? slot : undefined
}

function sameName(
  { calculator }: PlanInput,
  name: TableName,
  [one, other]: readonly [Slot, Slot],
): InvalidPartitionConfigError {
  return new InvalidPartitionConfigError(
    `The calculator ${calculator.constructor.name} gives the partition name ${formatTableName(name)} to two periods: ${one.range.from} to ${one.range.to}, and ${other.range.from} to ${other.range.to}. Give each period a label of its own.`,
  )
}

/** Which partitions are made or attached again, and why others cannot be. */
export function decideCreation(
  input: PlanInput,
  {
    survey,
    evidence,
    decisions,
  }: { survey: Survey; evidence: Evidence; decisions: readonly DetachedDecision[] },
): { readonly operations: readonly Operation[]; readonly findings: readonly Finding[] } {
  const { missing, findings: overlapping } = missingPeriods(input, survey, decisions)
  const findings: Finding[] = [...overlapping]
  const placed: Placed[] = []
  for (const period of missing) {
    const { name, slot, reason } = period
    const hindrance = nameTaken(input, period, { evidence, decisions })
    if (hindrance) {
      findings.push(hindrance)
      continue
    }
    const rowsInDefault = evidence.rowsInDefault.get(slot.range.from) ?? 0
    const about = { range: slot.range, rowsInDefault }
    const obstacle = whyRowsCannotMove(input, { ...about, evidence })
    const way = wayBesideDefault(input, survey, { slot, evidence })
    if (obstacle) findings.push(obstacle)
    else if (way.kind === 'no') findings.push(way.finding)
    else {
      const operation = createOperation(input, {
        ...about,
        scans: way.scans,
        ...(way.kind === 'exclude' && { excludesFromDefault: { before: way.before } }),
        partition: name,
        reason: createReason(input, reason),
      })
      placed.push({ from: slot.from, to: slot.to, operation })
    }
  }
  for (const { table, span } of attaching(decisions)) {
    const about = { range: span.range, rowsInDefault: evidence.rowsInDefault.get(span.range.from) ?? 0 }
    const obstacle = whyRowsCannotMove(input, { ...about, again: table.name, evidence })
    const way = wayBesideDefault(input, survey, { slot: span, again: table.name, evidence })
    if (obstacle) findings.push(obstacle)
    else if (way.kind === 'no') findings.push(way.finding)
    else {
      const operation = attachOperation(input, {
        ...about,
        scans: way.scans,
        table,
        reason: attachReason(input, table),
      })
      placed.push({ from: span.from, to: span.to, operation })
    }
  }
  return { operations: mostUrgentFirst(placed, survey), findings }
}

interface Placed {
  readonly from: bigint
  readonly to: bigint
  readonly operation: Operation
}

/**
 * From now on into the future, and only then what lies in the past: a failure ends a run, and a detached table that
 * cannot be attached again must not keep tomorrow's partition from being made.
 */
function mostUrgentFirst(placed: readonly Placed[], { current }: Survey): readonly Operation[] {
  const isPast = ({ to }: Placed): boolean => to <= current.from
  return [...placed]
    .sort((a, b) => Number(isPast(a)) - Number(isPast(b)) || (a.from < b.from ? -1 : 1))
    .map(({ operation }) => operation)
}

function attachReason(input: PlanInput, table: DetachedTable): Operation['reason'] {
  return isAskedFor(table, input)
    ? { code: 'explicit', text: 'asked for: its detach is undone' }
    : { code: 'wanted-again', text: 'detached earlier, and its period is wanted again' }
}

function createReason({ config }: PlanInput, code: MissingPeriod['reason']): Operation['reason'] {
  if (code === 'explicit') return { code, text: 'asked for' }
  const count = config.lifecycle.creation.count
  return {
    code,
    text: `${count} ${count === 1 ? 'partition is' : 'partitions are'} wanted from the current one on`,
  }
}

/** What becomes of a marked table that has the name of a missing period. */
const nextFor: Readonly<Record<DetachedDecision['kind'], string>> = {
  attach: 'It is attached again for its own period; rename it, and the next run creates the partition.',
  drop: 'It is dropped by this plan, and the next run creates the partition.',
  keep: 'It has a marker and stays for the reason given with it; rename it, and the next run creates the partition.',
}

function nameTaken(
  { tree }: PlanInput,
  { name, slot }: MissingPeriod,
  { evidence, decisions }: { evidence: Evidence; decisions: readonly DetachedDecision[] },
): Finding | undefined {
  const taken = evidence.takenNames.get(formatTableName(name))
  if (!taken) return undefined
  const decision = decisions.find(({ table }) => table.oid === taken.oid)
  if (decision?.kind === 'drop' && decision.reason.code === 'half-built') return undefined
  const ofOurs = tree.partitions.some(({ oid }) => oid === taken.oid)
  const parent = formatTableName(tree.parent.name)
  return finding('name-taken', {
    relation: name,
    range: slot.range,
    message: `${formatTableName(name)} cannot be created: the name belongs to ${taken.what}${ofOurs ? ' of the same table, with other bounds' : ''}.`,
    next: decision
      ? nextFor[decision.kind]
      : taken.what === 'a table that is not attached'
        ? `Rename it, attach it by hand, or mark it with \`pg-partsmith adopt\` (adoptPartition) if it was a partition of ${parent} and may be dropped.`
        : 'Rename what has the name, and the next run creates the partition.',
  })
}
