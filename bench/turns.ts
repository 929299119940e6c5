import { median, rounded } from './report.ts'

export interface Contestant {
  readonly name: string
  /** Does it once and says how many milliseconds it took, or leaves that to the clock around it. */
  readonly once: () => Promise<number | undefined>
}

export interface Figures {
  readonly name: string
  readonly medianMs: number
  /** Of every repetition, in their order. */
  readonly allMs: readonly number[]
  /** Why it was left out of the rounds that followed. */
  readonly failed?: string
}

const shareMs = 75_000

/**
 * Lets the contestants do it in turns, so that whatever slows the machine down for a while slows all of them. The first
 * contestant of a round is another one each time. One that fails is left out from then on, and so is one that was measured
 * and has taken more than its share of time; the others go on.
 */
export async function measureInTurns(
  contestants: readonly Contestant[],
  rounds: { readonly warmUps: number; readonly repetitions: number },
): Promise<readonly Figures[]> {
  const times = contestants.map((): number[] => [])
  const spent: number[] = []
  const failures = new Map<number, string>()
  for (let round = 0; round < rounds.warmUps + rounds.repetitions; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const index = (turn + round) % contestants.length
      const isMeasured = (times[index]?.length ?? 0) > 0
      if (failures.has(index) || (isMeasured && (spent[index] ?? 0) > shareMs)) continue
      const started = performance.now()
      try {
        const said = await contestants[index]?.once()
        if (round >= rounds.warmUps) times[index]?.push(said ?? performance.now() - started)
      } catch (error) {
        failures.set(index, error instanceof Error ? error.message : String(error))
      }
      spent[index] = (spent[index] ?? 0) + performance.now() - started
    }
  }
  return contestants.map(({ name }, index) => {
    const failed = failures.get(index)
    const [medianMs, allMs] = [median(times[index] ?? []), (times[index] ?? []).map(rounded)]
    return { name, medianMs, allMs, ...(failed !== undefined && { failed }) }
  })
}
