import { formatDuration } from '../model/duration.ts'
import { Instant } from '../model/instant.ts'
import { whyNotTrusted } from '../model/marker.ts'
import { nextForOwner, whyOwnerNotTrusted } from '../model/marker-owner.ts'
import type { DetachedTable, Partition } from '../model/partition-tree.ts'
import { quoteIdentifier } from '../model/quote.ts'
import { formatTableName, sameTable } from '../model/table-name.ts'
import type { Evidence } from './evidence.ts'
import type { Finding, FindingCode } from './finding.ts'
import { finding } from './finding.ts'
import { keptByDependents } from './leaving.ts'
import type { RangeText, Reason } from './operation.ts'
import type { Span } from './orphan-range.ts'
import { keptNames, rangeOfOrphan, standingOf } from './orphan-range.ts'
import { coverage } from './placement.ts'
import type { PlanInput, Survey } from './survey.ts'

/** What is to become of a table that carries our marker and is attached nowhere. */
export type DetachedDecision = AttachDecision | DropDecision | KeepDecision

export interface AttachDecision {
  readonly kind: 'attach'
  readonly table: DetachedTable
  readonly span: Span
}

export interface DropDecision {
  readonly kind: 'drop'
  readonly table: DetachedTable
  readonly reason: Reason
  readonly range?: RangeText
}

export interface KeepDecision {
  readonly kind: 'keep'
  readonly table: DetachedTable
  readonly finding: Finding
}

/**
 * Decides about every detached table that is marked for this parent.
 *
 * A table is dropped only when 1. its marker is ours, readable, names this very table, parent and database, and can only
 * have been written by who may act as the parent's owner,
 * 2. its period is not wanted (again), 3. nothing refers to it, 4. its grace period is known to be over. Where one of
 * them is not certain, the table stays and a finding says why.
 */
export function decideDetached(
  input: PlanInput,
  survey: Survey,
  evidence: Evidence,
): readonly DetachedDecision[] {
  const context = { input, survey, evidence, names: keptNames(input, survey) }
  const asked = input.tree.detached.find((table) => isAskedFor(table, input))
  const first = asked && decide(asked, context)
  // What is asked for comes before what is only wanted.
  const claimed = first?.kind === 'attach' ? [first] : []
  return input.tree.detached.map((table) => {
    if (first && table === asked) return first
    const decision = decide(table, context)
    if (decision.kind !== 'attach') return decision
    const { span } = decision
    const rival = claimed.find((other) => span.from < other.span.to && span.to > other.span.from)
    if (!rival) {
      claimed.push(decision)
      return decision
    }
    return keep(table, 'orphan-wanted', {
      range: span.range,
      message: `The period ${span.range.from} to ${span.range.to} of ${formatTableName(table.name)} is wanted again, and ${formatTableName(rival.table.name)}, detached as well, is attached there.`,
      next: `Move the rows of ${formatTableName(table.name)} through the parent, then drop it.`,
    })
  })
}

export function attaching(decisions: readonly DetachedDecision[]): readonly AttachDecision[] {
  return decisions.filter((decision) => decision.kind === 'attach')
}

interface Context {
  readonly input: PlanInput
  readonly survey: Survey
  readonly evidence: Evidence
  readonly names: ReadonlyMap<string, Span>
}

function decide(table: DetachedTable, context: Context): DetachedDecision {
  const { input, survey } = context
  const { marker } = table
  const name = formatTableName(table.name)
  if (!table.ownerIsTrusted) return keepUntrusted(table, input)
  if (marker.kind === 'damaged') {
    return keep(table, 'marker-damaged', {
      message: `The marker of ${name} ${marker.reason}, so it is never dropped.`,
      next: `Look at the comment of ${name}; when the table may go, mark it again with \`pg-partsmith adopt\` (adoptPartition).`,
    })
  }
  const { server, parent } = input.tree
  const distrust = whyNotTrusted(marker, { oid: table.oid, database: server.database, parentOid: parent.oid })
  if (distrust !== undefined) {
    return keep(table, 'marker-not-trusted', {
      message: `${name} carries a marker of ${formatTableName(parent.name)}, but the marker ${distrust}.`,
      next: `If it is a copy, drop it or clear its comment by hand; to have it managed here, mark it with \`pg-partsmith adopt\` (adoptPartition).`,
    })
  }
  if (marker.kind === 'building') return decideHalfBuilt(table, context)
  if (table.heirOf !== undefined) {
    return keep(table, 'orphan-inherits', {
      message: `${name} is detached and inherits from ${table.heirOf} by now, where its rows are found, so it is left alone.`,
      next: `Clear its comment if it is to stay there, or take it out with ALTER TABLE .. NO INHERIT.`,
    })
  }
  const lacking = marker.facts === undefined ? keyLackingIn(table, input) : undefined
  if (lacking !== undefined) {
    return keep(table, 'marker-not-trusted', {
      message: `${name} carries a marker of ${formatTableName(parent.name)} that does not name the table itself, and it has no ${lacking}, so it was never a partition of it.`,
      next: `Clear its comment, or drop it by hand.`,
    })
  }

  const span = rangeOfOrphan(table, context)
  const isAsked = isAskedFor(table, input)
  if (span) {
    const standing = isAsked ? 'due' : standingOf(span, survey)
    if (standing === 'due') return decideWanted(table, span, context)
    return standing === 'expired'
      ? decideDrop(table, span, context)
      : keepOutOfCalendar(table, { span, standing })
  }
  if (marker.facts?.bound !== undefined) {
    return keep(table, 'orphan-range-unknown', {
      message: `The marker of ${name} says that it held ${marker.facts.bound}, which is no range of the key as it is now, so it is not known whether its period is wanted.`,
      next: `When the table may go, mark it again with \`pg-partsmith adopt\` (adoptPartition) or drop it by hand.`,
    })
  }
  if (isAsked) {
    return keep(table, 'orphan-range-unknown', {
      message: `The marker of ${name} does not say which rows it held.`,
      next: 'Find out which range it held before it is attached.',
    })
  }
  if (marker.facts === undefined && survey.retentionHorizon === undefined) {
    return keep(table, 'orphan-range-unknown', {
      message: `${name} was detached by another tool and its range is not known; nothing is configured to expire, so it is kept.`,
      next: 'Set retentionCount to have it dropped, or attach it by hand.',
    })
  }
  return decideDrop(table, undefined, context)
}

/** Whether somebody asked for the table itself to be attached again. */
export function isAskedFor({ name }: DetachedTable, { reattach }: PlanInput): boolean {
  return reattach !== undefined && sameTable(name, reattach)
}

function keepUntrusted(table: DetachedTable, { tree: { parent } }: PlanInput): DetachedDecision {
  const about = { table: table.name, owner: table.owner, parent: parent.name, parentOwner: parent.owner }
  return keep(table, 'marker-not-trusted', {
    message: `${whyOwnerNotTrusted(about)}, so its marker is not believed: the table is neither attached nor dropped.`,
    next: `${nextForOwner(about)}.`,
  })
}

/** Nothing comes back by itself that the tool would not make now: it could keep others from being made. */
function keepOutOfCalendar(
  table: DetachedTable,
  { span: { range }, standing }: { readonly span: Span; readonly standing: 'later' | 'astride' },
): DetachedDecision {
  const held = `${formatTableName(table.name)} is detached and held ${range.from} to ${range.to}`
  const now = `To have it attached now, ask for it with \`pg-partsmith reattach\` (reattachPartition).`
  return standing === 'later'
    ? keep(table, 'orphan-kept', {
        message: `${held}, which is further ahead than partitions are wanted, so it is kept and not attached yet.`,
        next: `Nothing to do: it is attached when its period is due. ${now}`,
      })
    : keep(table, 'orphan-wanted', {
        range,
        message: `${held}, which has not expired and does not lie inside one period of the calendar, so it is not attached by itself.`,
        next: `Move its rows through the parent, then drop it. ${now}`,
      })
}

/** What of the parent's key the table does not have; whatever else it has, it cannot have been a partition then. */
function keyLackingIn({ columns }: DetachedTable, { tree }: PlanInput): string | undefined {
  const missing = tree.parent.key.find(
    ({ name, type }) =>
      name !== undefined && !columns.some((column) => column.name === name && column.type === type),
  )
  return missing && `column ${quoteIdentifier(missing.name ?? '')} of type ${missing.type}`
}

function decideHalfBuilt(table: DetachedTable, { evidence, input }: Context): DetachedDecision {
  const name = formatTableName(table.name)
  if (table.kind !== 'table') {
    return keep(table, 'partition-kind-unsupported', {
      message: `${name} is marked as built and never attached, and is a ${table.kind} table, which this version does not build.`,
      next: 'Look at it and drop it by hand, or clear its comment.',
    })
  }
  if (evidence.empty.has(table.oid)) {
    return {
      kind: 'drop',
      table,
      reason: { code: 'half-built', text: 'built by a run that ended before it attached it; it is empty' },
    }
  }
  return keep(table, 'half-built-with-rows', {
    message: `${name} was built by a run that ended before it attached it, and it is not known to be empty.`,
    next: `Move its rows through ${formatTableName(input.tree.parent.name)} and drop it, or attach it by hand.`,
  })
}

function decideWanted(table: DetachedTable, span: Span, { input, survey }: Context): DetachedDecision {
  const name = formatTableName(table.name)
  const isAsked = isAskedFor(table, input)
  const period = `The period ${span.range.from} to ${span.range.to} of ${name} is ${isAsked ? 'asked for' : 'wanted'} again`
  if (input.config.lifecycle.drop.kind === 'never' && !isAsked) {
    return keep(table, 'orphan-wanted', {
      range: span.range,
      message: `${period}, and detached tables are left alone (dropAfter is 'never').`,
      next: `Attach it with \`pg-partsmith reattach\` (reattachPartition), or rename it out of the way so that an empty partition can be made.`,
    })
  }
  const { covered, by } = coverage(survey.spans, span)
  if (covered !== 'none') {
    return keep(table, 'orphan-wanted', {
      range: span.range,
      message: `${period}, and ${namesOf(by)} attached there.`,
      next: `Move the rows of ${name} through the parent, then drop it.`,
    })
  }
  const { parent, server } = input.tree
  // A partition that inserts need is not to wait until somebody has the rights to bring the old one back.
  if (!isAsked && parent.owned && !table.owned && span.to > survey.current.from) {
    return keep(table, 'orphan-wanted', {
      range: span.range,
      message: `${period}, and the role ${quoteIdentifier(server.role)} has not the rights of ${quoteIdentifier(table.owner)}, which owns it, so it is not attached, and an empty partition is made where the name is free.`,
      next: `Move the rows of ${name} through the parent, then drop it. Or run with the rights of its owner before the partition is made.`,
    })
  }
  if (table.kind !== 'table') {
    return keep(table, 'partition-kind-unsupported', {
      message: `${name} is ${isAsked ? 'asked for' : 'wanted'} again and is a ${table.kind} table, which this version does not attach.`,
      next: 'Attach it by hand.',
    })
  }
  return { kind: 'attach', table, span }
}

function namesOf(partitions: readonly Partition[]): string {
  return `${partitions.map(({ name }) => formatTableName(name)).join(', ')} ${partitions.length === 1 ? 'is' : 'are'}`
}

function decideDrop(
  table: DetachedTable,
  span: Span | undefined,
  { input, evidence }: Context,
): DetachedDecision {
  const { drop } = input.config.lifecycle
  const { marker } = table
  const name = formatTableName(table.name)
  const detachedAt =
    marker.kind === 'orphan' && marker.detachedAt !== undefined ? Instant.from(marker.detachedAt) : undefined
  if (drop.kind === 'never') {
    return keep(table, 'orphan-kept', {
      message: `${name} is detached and is kept: dropAfter is 'never'.`,
      next: 'Nothing to do, or drop it by hand when it is no longer needed. To have it back, `pg-partsmith reattach` (reattachPartition).',
    })
  }
  if (table.kind !== 'table') {
    return keep(table, 'partition-kind-unsupported', {
      message: `${name} is detached and is a ${table.kind} table, which this version does not drop.`,
      next: 'Drop it by hand.',
    })
  }
  const [referring] = table.referencedBy
  if (referring) {
    return keep(table, 'orphan-referenced', {
      message: `${name} is detached, and the foreign key ${referring.name} of ${formatTableName(referring.table)} refers to it.`,
      next: `Remove that foreign key; the next run drops ${name}.`,
    })
  }
  const obstacle = keptByDependents(table, evidence, 'is detached')
  if (obstacle) return keep(table, 'orphan-depended-on', obstacle)
  const dropping = { kind: 'drop', table, ...(span && { range: span.range }) } as const
  // One line alone is no work of this tool or of its Python namesake.
  const isKnown = marker.kind === 'orphan' && marker.facts !== undefined
  if (drop.graceMicros === 0n && (isKnown || detachedAt !== undefined)) {
    return { ...dropping, reason: { code: 'grace-elapsed', text: 'detached, and no grace period is set' } }
  }
  const grace = formatDuration(drop.graceMicros)
  if (detachedAt === undefined) {
    return keep(table, 'orphan-age-unknown', {
      message: `${name} does not say when it was detached, so its grace period${drop.graceMicros === 0n ? '' : ` of ${grace}`} cannot be shown to be over.`,
      next: `Mark it again with \`pg-partsmith adopt\` (adoptPartition); the grace period then starts anew.`,
    })
  }
  const now = (input.now ?? input.tree.server.now).epochMicroseconds
  if (now - detachedAt.epochMicroseconds < drop.graceMicros) {
    return keep(table, 'orphan-kept', {
      message: `${name} was detached at ${detachedAt.toString()} and is kept until ${detachedAt.add(drop.graceMicros).toString()}, by a dropAfter of ${grace}; a run with a shorter one drops it sooner.`,
      next: 'Nothing to do: the first run after that drops it, if it may (--allow-destructive). To have it back: `pg-partsmith reattach`.',
    })
  }
  const text = `detached at ${detachedAt.toString()}, the grace period of ${grace} is over`
  return { ...dropping, reason: { code: 'grace-elapsed', text } }
}

function keep(
  table: DetachedTable,
  code: FindingCode,
  about: Pick<Finding, 'range' | 'message' | 'next'>,
): DetachedDecision {
  return { kind: 'keep', table, finding: finding(code, { relation: table.name, ...about }) }
}
