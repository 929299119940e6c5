import { formatTableName, sameTable } from '../model/table-name.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import { listed } from './listed.ts'
import type { Operation } from './operation.ts'

/** Leaves out what has a hazard that is not allowed, together with what would follow it. */
export function allowedOnly(
  { allowHazards }: TablePartitionConfig,
  operations: readonly Operation[],
): { readonly operations: readonly Operation[]; readonly findings: readonly Finding[] } {
  if (allowHazards === undefined) return { operations, findings: [] }
  const kept: Operation[] = []
  const findings: Finding[] = []
  for (const operation of operations) {
    const { partition, kind } = operation
    const forbidden = operation.hazards.filter((hazard) => !allowHazards.includes(hazard))
    const follows = operation.reason.code === 'follows-detach'
    const isOrphaned =
      follows && !kept.some((other) => other.kind === 'detach' && sameTable(other.partition, partition))
    if (forbidden.length === 0 && !isOrphaned) {
      kept.push(operation)
      continue
    }
    // One sentence about the detach is enough.
    if (isOrphaned) continue
    findings.push(
      finding('hazard-not-allowed', {
        relation: partition,
        ...('range' in operation && operation.range && { range: operation.range }),
        message: `The ${kind} of ${formatTableName(partition)} is due, and its ${forbidden.length === 1 ? 'hazard' : 'hazards'} ${listed(forbidden, forbidden.length)} ${forbidden.length === 1 ? 'is' : 'are'} not allowed (allowHazards).`,
        next: `Allow ${forbidden.length === 1 ? 'it' : 'them'} with allowHazards, or have it done by hand when it suits.`,
      }),
    )
  }
  return { operations: kept, findings }
}
