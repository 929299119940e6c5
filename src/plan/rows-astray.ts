import { defaultPartition } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { describeLimit, longestWaitMs } from './lock-limit.ts'
import type { AttachDecision } from './orphans.ts'
import { priceBesideDefault, priceOfMove } from './scan-price.ts'
import type { PlanInput, Survey } from './survey.ts'

/** So many rows of DEFAULT that are astray are counted; of more it is said that they are more. */
export const mostAstray = 10_000

/** Rows of DEFAULT that lie in no period that any run will create: they are neither moved nor ever expire. */
export function rowsAstray(
  input: PlanInput,
  { current }: Survey,
  { evidence, attached }: { readonly evidence: Evidence; readonly attached: readonly AttachDecision[] },
): readonly Finding[] {
  const fallback = defaultPartition(input.tree)
  const counted = evidence.rowsAstray ?? 0
  // What goes into a table of the past that is attached again in this very plan is not astray.
  const leaving = attached
    .filter(({ span }) => span.to <= current.from)
    .reduce((sum, { span }) => sum + (evidence.rowsInDefault.get(span.range.from) ?? 0), 0)
  const rows = counted - leaving
  if (!fallback || rows <= 0) return []
  const isMore = counted > mostAstray
  const number = isMore ? `more than ${rows - 1}` : String(rows)
  return [
    finding('rows-astray-in-default', {
      relation: fallback.name,
      message: `${formatTableName(fallback.name)} holds ${number} ${rows === 1 && !isMore ? 'row' : 'rows'} from before ${current.range.from} or without a key; no run moves them into a partition, and they never expire.`,
      next: whatToDo(input, isMore ? Infinity : rows, evidence),
    }),
  ]
}

function whatToDo(input: PlanInput, rows: number, evidence: Evidence): string {
  const { config } = input
  const all = config.lifecycle.retention.kind === 'everything'
  const expire =
    ' With a retentionCount that does not reach back to them, partitions that are made for them expire at once.'
  const refused = whyNeverMoved(input, evidence)
  if (refused !== undefined) {
    return `Delete them, or move them by hand, in small steps; ensurePartition of the library refuses to, because ${refused}.${all ? '' : expire}`
  }
  const ms = (priceBesideDefault(evidence)?.estimatedMs ?? 0) + priceOfMove(rows)
  if (rows > config.maxRowsFromDefault || ms > longestWaitMs(input)) {
    return `Delete them in small steps, or make the partitions of their periods with ensurePartition of the library. While readers and writers wait, it moves the rows of a period that have a key: at most ${config.maxRowsFromDefault} (maxRowsFromDefault), for no longer than ${describeLimit(input)}. What is more, move by hand, in small steps.${all ? '' : expire}`
  }
  return all
    ? 'Make the partitions of their periods with ensurePartition of the library, which moves those that have a key, or delete them.'
    : 'Delete them, or keep them: with a retentionCount that reaches back to them, ensurePartition of the library makes their partitions and moves those that have a key; with a smaller one those partitions expire at once.'
}

/** Why no partition is made for any of them, however few they are. */
function whyNeverMoved(input: PlanInput, evidence: Evidence): string | undefined {
  const [referring] = input.tree.parent.referencedBy
  if (referring) {
    return `${formatTableName(referring.table)} refers to this table (${referring.name}), and a moved row would lose its references`
  }
  const ms = priceBesideDefault(evidence)?.estimatedMs ?? 0
  return ms > longestWaitMs(input)
    ? `to read all of DEFAULT takes about ${ms} ms under a lock that stops readers and writers, longer than ${describeLimit(input)}`
    : undefined
}
