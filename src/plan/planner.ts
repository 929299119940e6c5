import { sameTable } from '../model/table-name.ts'
import { allowedOnly } from './allowed.ts'
import { basisOf } from './basis.ts'
import { dropOperation } from './build-operation.ts'
import { insertsFail } from './current-partition.ts'
import { decideCreation, missingPeriods } from './creation.ts'
import { defaultRowsNeeded, defaultUnread } from './default-rows.ts'
import type { Evidence, EvidenceRequest } from './evidence.ts'
import { noEvidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { configFingerprint } from './fingerprint.ts'
import type { Operation } from './operation.ts'
import type { DetachedDecision, DropDecision } from './orphans.ts'
import { attaching, decideDetached } from './orphans.ts'
import { asMeasured } from './leaving.ts'
import { onlyReads } from './only-reads.ts'
import type { MaintenancePlan, WaitingOperation } from './plan.ts'
import { longestStatementMs, longestWaitMs } from './lock-limit.ts'
import { finishPending } from './pending-detach.ts'
import { rangeExcluded, readmission } from './readmission.ts'
import { referencesNeeded } from './references.ts'
import { decideRetention, expiredPartitions } from './retention.ts'
import { missingRights } from './rights.ts'
import { rowsAstray } from './rows-astray.ts'
import type { PlanInput, Survey } from './survey.ts'
import { surveyTree } from './survey.ts'

/**
 * Decides what is to be done to one table.
 *
 * Pure: the same configuration, tree, evidence and clock give the same plan, byte for byte. Where the table is not
 * what the configuration says, the plan has findings and no operations.
 */
export function planTable(input: PlanInput, evidence: Evidence): MaintenancePlan {
  const { config, tree } = input
  const result = surveyTree(input)
  const decided =
    'findings' in result
      ? { operations: [], waiting: [], findings: [...result.findings, ...rangeExcluded(input, [])] }
      : decide(input, result.survey, evidence)
  return {
    version: 1,
    table: config.table,
    plannedAt: (input.now ?? tree.server.now).toString(),
    configFingerprint: configFingerprint(config, input.calculator),
    basis: basisOf(tree),
    operations: decided.operations,
    ...(decided.waiting.length > 0 && { waiting: decided.waiting }),
    findings: [...decided.findings, ...onlyReads(input)],
  }
}

/** Says what the planner has to know beyond the catalog before it can decide. */
export function evidenceNeeded(input: PlanInput): EvidenceRequest {
  const result = surveyTree(input)
  if ('findings' in result) return { names: [], maybeEmpty: [] }
  const { survey } = result
  const decisions = decideDetached(input, survey, noEvidence)
  const creations = missingPeriods(input, survey, decisions).missing
  const ranges = [
    ...creations.map(({ slot }) => slot.range),
    ...attaching(decisions).map(({ span }) => span.range),
  ]
  return {
    limits: { othersWaitMs: longestWaitMs(input), withinMs: longestStatementMs(input) },
    names: creations.map(({ name }) => name),
    ...defaultRowsNeeded(input, survey, ranges),
    ...referencesNeeded(input, expiredPartitions(survey)),
    ...leavingNeeded(input, survey, decisions),
    maybeEmpty: input.tree.detached
      .filter(({ marker, ownerIsTrusted }) => marker.kind === 'building' && ownerIsTrusted)
      .map(({ oid, name }) => ({ oid, name })),
  }
}

/** Of what is to be detached or dropped it is asked how large it is and what depends on it. */
function leavingNeeded(
  input: PlanInput,
  survey: Survey,
  decisions: readonly DetachedDecision[],
): Pick<EvidenceRequest, 'leaving'> {
  const isPending = input.tree.partitions.some(({ detachPending }) => detachPending)
  // Whoever asks for one partition does not wait for questions about others.
  const isAboutOthers = input.explicit !== undefined || input.reattach !== undefined
  if (isPending || isAboutOthers) return {}
  const leaving = [
    ...expiredPartitions(survey).map(({ partition }) => partition),
    ...decisions.flatMap((decision) => (decision.kind === 'drop' ? [decision.table] : [])),
  ]
  return leaving.length === 0 ? {} : { leaving: leaving.map(({ oid, name }) => ({ oid, name })) }
}

interface Decided {
  readonly operations: readonly Operation[]
  readonly waiting: readonly WaitingOperation[]
  readonly findings: readonly Finding[]
}

function decide(input: PlanInput, survey: Survey, evidence: Evidence): Decided {
  const decisions = decideDetached(input, survey, evidence)
  const creation = decideCreation(input, { survey, evidence, decisions })
  const retention = decideRetention(input, survey, evidence)
  const pending = finishPending(input)
  const drops = decisions.filter((decision) => decision.kind === 'drop')
  const halfBuilt = drops.filter(({ reason }) => reason.code === 'half-built')
  const orphans = drops.filter(({ reason }) => reason.code !== 'half-built')
  // What makes room for rows comes first: a run that is cut short has created before it retires.
  const room = [...halfBuilt.map((drop) => dropDetached(input, drop, evidence)), ...creation.operations]
  const retired = [
    ...retention.unmark,
    ...retention.detach,
    ...orphans.map((drop) => dropDetached(input, drop, evidence)),
    ...retention.drop,
  ]
  const due = [
    // Inserts are refused until it is done.
    ...readmission(input),
    ...(pending.isAny ? [...pending.operations, ...room] : [...room, ...retired]),
  ]
  const allowed = allowedOnly(input.config, due)
  return {
    operations: allowed.operations,
    waiting: pending.isAny ? waitingFor(input, retired) : [],
    findings: [
      ...insertsFail(input, survey, allowed.operations),
      ...rangeExcluded(input, allowed.operations),
      ...missingRights(input, survey, allowed.operations),
      ...allowed.findings,
      ...pending.findings,
      ...creation.findings,
      ...defaultUnread(input, evidence),
      ...rowsAstray(input, survey, {
        evidence,
        attached: attaching(decisions),
        operations: allowed.operations,
      }),
      ...decisions.flatMap((decision) => (decision.kind === 'keep' ? [decision.finding] : [])),
      ...retention.findings,
    ],
  }
}

/** What is retired once the pending detach is over; that one is not begun again. */
function waitingFor({ config, tree }: PlanInput, retired: readonly Operation[]): readonly WaitingOperation[] {
  const pending = tree.partitions.filter(({ detachPending }) => detachPending)
  return allowedOnly(config, retired)
    .operations.filter(
      ({ kind, partition }) => kind !== 'detach' || !pending.some(({ name }) => sameTable(name, partition)),
    )
    .map(({ kind, id, partition }) => ({ kind, id, partition }))
}

function dropDetached(
  input: PlanInput,
  { table, reason, range }: DropDecision,
  evidence: Evidence,
): Operation {
  return dropOperation(input, {
    table: asMeasured(table, evidence),
    foreignKeys: table.foreignKeys,
    comment: table.comment ?? null,
    marker: reason.code === 'half-built' ? 'building' : 'orphan',
    reason,
    ...(range && { range }),
  })
}
