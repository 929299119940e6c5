import { formatTableName } from '../model/table-name.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'
import type { PlanInput } from './survey.ts'

/**
 * For whoever only looks: that nothing can be changed from here. It is no reason for a person to come, because a standby is
 * a good place to look from.
 */
export function onlyReads({ tree: { server, parent } }: Pick<PlanInput, 'tree'>): readonly Finding[] {
  const table = formatTableName(parent.name)
  if (server.inRecovery) {
    return [
      finding('server-only-reads', {
        message: `${table} was looked at on a standby that only reads (pg_is_in_recovery), and every change is refused there.`,
        next: 'Run what changes anything, such as `maintain`, on the primary.',
      }),
    ]
  }
  if (server.readOnlyByDefault !== true) return []
  return [
    finding('server-only-reads', {
      message: `${table} was looked at in a session that only reads (default_transaction_read_only), and every change is refused there.`,
      next: 'Run what changes anything, such as `maintain`, with default_transaction_read_only off.',
    }),
  ]
}
