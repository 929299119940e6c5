/** What one attempt of the stall benchmark gave, and what all attempts say together. */

import type { ClientFigures } from './clients.ts'
import type { ClientKind } from './client-kinds.ts'
import type { LockFigures } from './lock-sampler.ts'
import { median, rounded } from './report.ts'

export interface ClientComparison {
  readonly kind: ClientKind
  /** Without maintenance, in windows that are as long as the one with it. */
  readonly without: readonly ClientFigures[]
  readonly during: ClientFigures
}

export interface Watched {
  /** In every window, right when maintenance begins in the last of them. */
  readonly situationCameAbout: boolean
  readonly maintenanceMs: number
  /** What the tool itself said. */
  readonly complaints: readonly string[]
  readonly clients: readonly ClientComparison[]
  readonly windowsMs: { readonly baseline: number; readonly maintenance: number }
  /** The share of all cores that was busy without maintenance: near 1, the longest statement measures the scheduler. */
  readonly cpuBusy: number
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

export interface Verdict {
  readonly situation: string
  readonly tool: string
  readonly rounds: number
  /** In how many rounds the situation was there. */
  readonly cameAbout: number
  readonly maintenanceMs: number
  /** In how many rounds no client's longest statement grew by more than the budget. */
  readonly withinBudget: number
  readonly budgetMs: number
  /** The client whose longest statement grew most, in the middle one of the rounds by that, and in the worst one. */
  readonly heldUpMost: { readonly middleRound: HeldUp; readonly worstRound: HeldUp }
  readonly longestMs: Readonly<Record<string, Readonly<{ without: number; during: number; worst: number }>>>
  /** By SQLSTATE, over all clients and rounds. */
  readonly errors: { readonly without: Errors; readonly during: Errors }
  readonly created: number
  readonly retired: number
  readonly dropped: number
  /** What the tool said in the rounds in which it did not do its work. */
  readonly said: readonly string[]
  readonly longestAccessExclusiveMs: number
  readonly cpuBusy: number
}

/** A client's longest statement without maintenance and during it; all three figures are of this one client. */
export interface HeldUp {
  readonly client: ClientKind
  readonly withoutMs: number
  readonly duringMs: number
  readonly addedMs: number
}

type Errors = Readonly<Record<string, number>>

/** One line for each situation and tool. Medians over the rounds; the worst over all of them. */
export function verdictOf(attempts: readonly AttemptFigures[]): readonly Verdict[] {
  const groups = new Map<string, AttemptFigures[]>()
  for (const attempt of attempts) {
    const key = `${attempt.situation}\n${attempt.tool}`
    groups.set(key, [...(groups.get(key) ?? []), attempt])
  }
  return [...groups.values()].flatMap((group) => {
    const held = group.flatMap(heldUpMost).toSorted((a, b) => a.addedMs - b.addedMs)
    const [middleRound, worstRound] = [held[Math.ceil(held.length / 2) - 1], held.at(-1)]
    if (!middleRound || !worstRound) return []
    const kinds = group[0]?.clients.map(({ kind }) => kind) ?? []
    const unfinished = group.filter(({ done }) => !done.created || !done.retired)
    return {
      situation: group[0]?.situation ?? '',
      tool: group[0]?.tool ?? '',
      rounds: group.length,
      cameAbout: group.filter(({ situationCameAbout }) => situationCameAbout).length,
      maintenanceMs: median(group.map(({ maintenanceMs }) => maintenanceMs)),
      withinBudget: held.filter(({ addedMs }) => addedMs <= budgetMs).length,
      budgetMs,
      heldUpMost: { middleRound, worstRound },
      longestMs: Object.fromEntries(kinds.map((kind) => [kind, longest(group, kind)])),
      errors: {
        without: errorsOf(group.flatMap(({ clients }) => clients.flatMap(({ without }) => without))),
        during: errorsOf(group.flatMap(({ clients }) => clients.map(({ during }) => during))),
      },
      created: group.filter(({ done }) => done.created).length,
      retired: group.filter(({ done }) => done.retired).length,
      dropped: group.filter(({ done }) => done.dropped).length,
      said: [...new Set(unfinished.flatMap(({ complaints }) => complaints))],
      longestAccessExclusiveMs: Math.max(0, ...group.map(longestAccessExclusive)),
      cpuBusy: Math.max(...group.map(({ cpuBusy }) => cpuBusy)),
    }
  })
}

/** One, because every attempt has clients. */
function heldUpMost({ clients }: AttemptFigures): readonly HeldUp[] {
  return clients
    .map((client) => {
      const [withoutMs, duringMs] = [longestWithout(client), rounded(client.during.maxMs)]
      return { client: client.kind, withoutMs, duringMs, addedMs: rounded(duringMs - withoutMs) }
    })
    .toSorted((a, b) => b.addedMs - a.addedMs)
    .slice(0, 1)
}

/** The median of the windows, so that one that was out of luck does not raise the bar. */
function longestWithout({ without }: ClientComparison): number {
  return median(without.map(({ maxMs }) => maxMs))
}

function longest(
  group: readonly AttemptFigures[],
  wanted: ClientKind,
): { readonly without: number; readonly during: number; readonly worst: number } {
  const own = group.flatMap(({ clients }) => clients.filter(({ kind }) => kind === wanted))
  const during = own.map((client) => client.during.maxMs)
  return { without: median(own.map(longestWithout)), during: median(during), worst: Math.max(...during) }
}

function errorsOf(figures: readonly ClientFigures[]): Errors {
  const sums: Record<string, number> = {}
  for (const { errors } of figures) {
    for (const [code, count] of Object.entries(errors)) sums[code] = (sums[code] ?? 0) + count
  }
  return sums
}

/** The same for `bench/README.md`. */
export function inTables(verdicts: readonly Verdict[]): {
  readonly longest: readonly Readonly<Record<string, string | number>>[]
  readonly done: readonly Readonly<Record<string, string | number>>[]
} {
  const hasRounds = verdicts.some(({ rounds }) => rounds > 1)
  return {
    longest: verdicts.map(
      ({ situation, tool, rounds, heldUpMost: { middleRound, worstRound }, withinBudget, errors }) => ({
        situation,
        tool,
        'client held up most': middleRound.client,
        'its longest statement without maintenance': `${middleRound.withoutMs} ms`,
        'with maintenance': `${middleRound.duringMs} ms`,
        added: `${middleRound.addedMs} ms`,
        ...(hasRounds && { 'added in the worst round': `${worstRound.addedMs} ms` }),
        [`added at most ${budgetMs} ms`]: `${withinBudget} of ${rounds}`,
        'client errors': listOf(errors.during),
      }),
    ),
    done: verdicts.map((verdict) => ({
      situation: verdict.situation,
      tool: verdict.tool,
      created: `${verdict.created} of ${verdict.rounds}`,
      retired: `${verdict.retired} of ${verdict.rounds}`,
      'maintenance took': `${verdict.maintenanceMs} ms`,
      'longest ACCESS EXCLUSIVE': `${rounded(verdict.longestAccessExclusiveMs)} ms`,
      'what it said where it was not done': verdict.said.join('; ').replaceAll(/\s+/g, ' ').slice(0, 200),
    })),
  }
}

function listOf(errors: Errors): string {
  const listed = Object.entries(errors).map(([code, count]) => `${count} x ${code}`)
  return listed.length === 0 ? 'none' : listed.join(', ')
}

/** Of the tables that are there before and after; nobody waits for the new partition. */
function longestAccessExclusive({ locks }: AttemptFigures): number {
  const shared = ['ev', 'ev_default', 'ev_note']
  const held = locks.held.filter(
    ({ relation, mode }) => mode === 'AccessExclusiveLock' && shared.includes(relation),
  )
  return Math.max(0, ...held.map(({ longestMs }) => longestMs))
}
