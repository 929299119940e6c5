import { validateMarkerPrefix } from '../model/marker.ts'
import { isTimeZone } from '../model/time-zone.ts'
import type { LockBudget } from '../sql/lock-budget.ts'
import type { DatabaseClient } from './client.ts'

/** What a repository was given. */
export interface RepositorySettings {
  readonly markerPrefix: string
  readonly ddlTimezone: string | null
  readonly client: DatabaseClient
  readonly budget: LockBudget
}

/** A sentence for everything that is wrong with the settings. */
export function problemsIn({
  markerPrefix,
  ddlTimezone,
  client,
  budget,
}: RepositorySettings): readonly string[] {
  return [
    validateMarkerPrefix(markerPrefix),
    zoneProblem(ddlTimezone),
    poolProblem(client),
    ...limitProblems(budget),
  ].filter((problem) => problem !== undefined)
}

function zoneProblem(ddlTimezone: string | null): string | undefined {
  if (ddlTimezone === null || isTimeZone(ddlTimezone)) return undefined
  return `ddlTimezone is '${ddlTimezone}', which is not an IANA time zone. Use 'UTC', a zone like 'Europe/Berlin', or null.`
}

function poolProblem({ capabilities }: DatabaseClient): string | undefined {
  const { maxConnections, concurrentSessions } = capabilities
  if (!concurrentSessions || maxConnections === undefined || maxConnections >= 2) return undefined
  return 'The repository was given a pool of one connection. A concurrent detach needs two, and a run three with the lock, so it would wait for itself for ever; give the pool at least three.'
}

function limitProblems({
  lockTimeoutMs,
  statementTimeoutMs,
  giveUpAfterMs,
}: LockBudget): readonly (string | undefined)[] {
  const limits = Object.entries({ lockTimeoutMs, statementTimeoutMs }).map(([name, value]) =>
    Number.isInteger(value) && value > 0
      ? undefined
      : `${name} is ${value}; it must be a whole number of milliseconds above zero, because a change without a limit can stop every writer.`,
  )
  const patience =
    Number.isInteger(giveUpAfterMs) && giveUpAfterMs >= 0
      ? undefined
      : `giveUpAfterMs is ${giveUpAfterMs}; it must be a whole number of milliseconds, or zero to try once.`
  return [...limits, patience]
}
