import { keyCodec } from '../model/key-codec.ts'
import { defaultPartition } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence } from './evidence.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { mostAstray, moveReferredRows, whoRefers } from './default-rows.ts'
import { describeLimit, longestWaitMs } from './lock-limit.ts'
import type { Operation } from './operation.ts'
import type { AttachDecision } from './orphans.ts'
import { priceBesideDefault, priceOfMove } from './scan-price.ts'
import type { PlanInput, Survey } from './survey.ts'

/** Rows of DEFAULT that lie in no period that maintenance will create: they are neither moved nor ever expire. */
export function rowsAstray(
  input: PlanInput,
  { current, timeline, keyType }: Survey,
  about: {
    readonly evidence: Evidence
    readonly attached: readonly AttachDecision[]
    readonly operations: readonly Operation[]
  },
): readonly Finding[] {
  const { evidence, attached, operations } = about
  const fallback = defaultPartition(input.tree)
  const counted = evidence.rowsAstray ?? 0
  const asked = (input.explicit ?? [])
    .map((position) => timeline.slotAt(position))
    .filter(({ range }) =>
      operations.some((operation) => operation.kind === 'create' && operation.range.from === range.from),
    )
  // What goes into a partition of the past that this very plan makes or attaches again is not astray.
  const leaving = new Set([...attached.map(({ span }) => span), ...asked].map(({ range }) => range.from))
  const { decode } = keyCodec(keyType)
  const staying = [...evidence.rowsInDefault].filter(([from]) => {
    const position = decode(from)
    return typeof position === 'bigint' && position < current.from && !leaving.has(from)
  })
  const rows = staying.reduce((sum, [, number]) => sum + number, counted)
  if (!fallback || rows <= 0) return []
  const isMore = counted > mostAstray
  const number = isMore ? `more than ${rows - 1}` : String(rows)
  return [
    finding('rows-astray-in-default', {
      relation: fallback.name,
      message: `${formatTableName(fallback.name)} holds ${number} ${rows === 1 && !isMore ? 'row' : 'rows'} from before ${current.range.from} or without a key; \`maintain\` moves none of them into a partition, and they never expire.`,
      next: whatToDo(input, isMore ? Infinity : rows, evidence),
    }),
  ]
}

function whatToDo(input: PlanInput, rows: number, evidence: Evidence): string {
  const { config } = input
  const all = config.lifecycle.retention.kind === 'everything'
  const expire =
    ' With a retentionCount that does not reach back to them, partitions that are made for them expire at once.'
  const { referencedBy } = input.tree.parent
  if (referencedBy.length > 0) {
    return `${ensure} moves none of them, because ${whoRefers(referencedBy)}, and a moved row would lose its references. ${moveReferredRows(referencedBy)} Or delete them, with what refers to them.${all ? '' : expire}`
  }
  const refused = whyNeverMoved(input, evidence)
  if (refused !== undefined) {
    return `Delete them, or move them by hand, in small steps; ${ensure} refuses to, because ${refused}.${all ? '' : expire}`
  }
  const ms = (priceBesideDefault(evidence)?.estimatedMs ?? 0) + priceOfMove(rows)
  if (rows > config.maxRowsFromDefault || ms > longestWaitMs(input)) {
    return `Delete them in small steps, or make the partitions of their periods with ${ensure}. While readers and writers wait, it moves the rows of a period that have a key: at most ${config.maxRowsFromDefault} (maxRowsFromDefault), for no longer than ${describeLimit(input)}. What is more, move by hand, in small steps.${all ? '' : expire}`
  }
  return all
    ? `Make the partitions of their periods with ${ensure}, which moves those that have a key, or delete them.`
    : `Delete them, or keep them: with a retentionCount that reaches back to them, ${ensure} makes their partitions and moves those that have a key; with a smaller one those partitions expire at once.`
}

const ensure = '`pg-partsmith ensure` (ensurePartition)'

/** Why no partition is made for any of them, however few they are. */
function whyNeverMoved(input: PlanInput, evidence: Evidence): string | undefined {
  const ms = priceBesideDefault(evidence)?.estimatedMs ?? 0
  return ms > longestWaitMs(input)
    ? `to read all of DEFAULT takes about ${ms} ms under a lock that stops readers and writers, longer than ${describeLimit(input)}`
    : undefined
}
