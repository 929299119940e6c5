import { describe, expect, it } from 'vitest'
import { inTurns } from '../../../src/run/in-turns.ts'

describe('working in turns', () => {
  it.each([
    [1, 1],
    [3, 3],
    [9, 5],
  ])('takes items in their order, %i at a time at the most', async (concurrency, expected) => {
    const begun: number[] = []
    let running = 0
    let most = 0
    await inTurns([0, 1, 2, 3, 4], concurrency, async (item) => {
      begun.push(item)
      running += 1
      most = Math.max(most, running)
      await Promise.resolve()
      running -= 1
    })
    expect(begun).toEqual([0, 1, 2, 3, 4])
    expect(most).toBe(expected)
  })

  it('rejects with what went wrong when all that was begun has ended', async () => {
    const ended: number[] = []
    const work = inTurns([0, 1, 2], 2, async (item) => {
      if (item === 0) throw new Error('no')
      await Promise.resolve()
      ended.push(item)
    })
    await expect(work).rejects.toThrow('no')
    expect(ended).toEqual([1, 2])
  })

  it('does nothing with nothing', async () => {
    await expect(inTurns([], 2, () => Promise.reject(new Error('no')))).resolves.toBeUndefined()
  })
})
