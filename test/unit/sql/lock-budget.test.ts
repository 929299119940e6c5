import { describe, expect, it } from 'vitest'

import type { LockBudget } from '../../../src/sql/lock-budget.ts'
import { defaultBudget, pauseAfter, worstCase } from '../../../src/sql/lock-budget.ts'

/** Tries for a lock that never becomes free, as a run does, and says how often. */
function attemptsOf(budget: LockBudget, random: number): number {
  let leftMs = budget.giveUpAfterMs
  for (let attempt = 1; ; attempt += 1) {
    leftMs -= budget.lockTimeoutMs + pauseAfter(attempt, budget.retry, random)
    if (leftMs <= 0) return attempt
  }
}

function pauses(random: number): readonly number[] {
  return [1, 2, 3, 5, 6, 20].map((attempt) => pauseAfter(attempt, defaultBudget.retry, random))
}

describe('the pauses between attempts', () => {
  it('double up to the longest, and are half as long or as long again at random', () => {
    expect(pauses(0.5)).toEqual([50, 100, 200, 800, 1_000, 1_000])
    expect(pauses(0)).toEqual([25, 50, 100, 400, 500, 500])
    expect(pauses(1)).toEqual([75, 150, 300, 1_200, 1_500, 1_500])
  })
})

describe('the worst case of a budget', () => {
  it.each([
    defaultBudget,
    { ...defaultBudget, giveUpAfterMs: 0 },
    { ...defaultBudget, lockTimeoutMs: 5 },
    { ...defaultBudget, giveUpAfterMs: 600_000 },
  ])('is no better than any run with it: %o', (budget) => {
    const { attempts, longestWaitMs, waitsInAllMs } = worstCase(budget, 1_000)
    for (const random of [0, 0.3, 1]) expect(attemptsOf(budget, random)).toBeLessThanOrEqual(attempts)
    expect(attemptsOf(budget, 0)).toBe(attempts)
    expect(longestWaitMs).toBe(budget.lockTimeoutMs)
    expect(waitsInAllMs).toBe(attempts * longestWaitMs)
  })

  it('has no wait as long as the server takes to look for a deadlock', () => {
    expect(worstCase({ ...defaultBudget, lockTimeoutMs: 60_000 }, 1_000).longestWaitMs).toBe(800)
  })
})
