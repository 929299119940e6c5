/** What one attempt of the stall benchmark gave, and what all attempts say together. */

import type { ClientFigures } from './clients.ts'
import type { ClientKind } from './client-kinds.ts'
import type { LockFigures } from './lock-sampler.ts'
import { median, rounded } from './report.ts'

export interface ClientComparison {
  readonly kind: ClientKind
  /** Without maintenance. */
  readonly without: ClientFigures
  /** While maintenance ran, in a window as long. */
  readonly during: ClientFigures
}

export interface Watched {
  readonly situationCameAbout: boolean
  readonly maintenanceMs: number
  /** What the tool itself said. */
  readonly complaints: readonly string[]
  readonly clients: readonly ClientComparison[]
  readonly windowsMs: { readonly baseline: number; readonly maintenance: number }
  readonly locks: LockFigures
}

export interface Done {
  readonly created: boolean
  readonly retired: boolean
  readonly dropped: boolean
}

export interface NextRun {
  readonly ms: number
  readonly complaints: readonly string[]
  readonly done: Done
}

export interface AttemptFigures extends Watched {
  readonly situation: string
  readonly tool: string
  readonly round: number
  readonly done: Done
  /** Present where the work was not done: what another run did after the situation was over. */
  readonly nextRun?: NextRun
}

/** What maintenance may add to the longest statement of a client: a lock timeout of 100 ms, and 25 ms. */
const budgetMs = 125

/** One line for each situation and tool. Medians over the rounds; the longest over all of them. */
export function verdictOf(attempts: readonly AttemptFigures[]): readonly Record<string, unknown>[] {
  const groups = new Map<string, AttemptFigures[]>()
  for (const attempt of attempts) {
    const key = `${attempt.situation}\n${attempt.tool}`
    groups.set(key, [...(groups.get(key) ?? []), attempt])
  }
  return [...groups.values()].map((group) => {
    const added = group.map(({ clients }) =>
      Math.max(...clients.map(({ without, during }) => during.maxMs - without.maxMs)),
    )
    const kinds = group[0]?.clients.map(({ kind }) => kind) ?? []
    return {
      situation: group[0]?.situation,
      tool: group[0]?.tool,
      rounds: group.length,
      cameAbout: group.filter(({ situationCameAbout }) => situationCameAbout).length,
      maintenanceMs: median(group.map(({ maintenanceMs }) => maintenanceMs)),
      addedToLongestMs: { median: median(added), worst: rounded(Math.max(...added)) },
      withinBudget: added.filter((ms) => ms <= budgetMs).length,
      budgetMs,
      longestMs: Object.fromEntries(kinds.map((kind) => [kind, longest(group, kind)])),
      errors: { without: errorsOf(group, 'without'), during: errorsOf(group, 'during') },
      created: group.filter(({ done }) => done.created).length,
      retired: group.filter(({ done }) => done.retired).length,
      dropped: group.filter(({ done }) => done.dropped).length,
      longestAccessExclusiveMs: Math.max(0, ...group.map(longestAccessExclusive)),
    }
  })
}

/** Medians over the rounds. */
function longest(group: readonly AttemptFigures[], kind: ClientKind): Record<string, number> {
  const of = (side: 'without' | 'during'): number =>
    median(group.map(({ clients }) => clients.find((one) => one.kind === kind)?.[side].maxMs ?? Number.NaN))
  return { without: of('without'), during: of('during') }
}

function errorsOf(
  group: readonly AttemptFigures[],
  side: 'without' | 'during',
): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const { clients } of group) {
    for (const client of clients) {
      for (const [code, count] of Object.entries(client[side].errors)) sums[code] = (sums[code] ?? 0) + count
    }
  }
  return sums
}

/** Of the tables that are there before and after; nobody waits for the new partition. */
function longestAccessExclusive({ locks }: AttemptFigures): number {
  const shared = ['ev', 'ev_default', 'ev_note']
  const held = locks.held.filter(
    ({ relation, mode }) => mode === 'AccessExclusiveLock' && shared.includes(relation),
  )
  return Math.max(0, ...held.map(({ longestMs }) => longestMs))
}
