/** Which locks maintenance holds on which tables, how long; from `pg_locks`, about once a millisecond. */

import { startProcess } from './own-process.ts'

export interface LockHold {
  readonly relation: string
  readonly mode: string
  /** How often it was taken; what comes and goes between two samples is not seen. */
  readonly times: number
  readonly longestMs: number
  readonly totalMs: number
  readonly histogram: Readonly<Record<string, number>>
}

export interface LockFigures {
  readonly samples: number
  /** The median and the longest time from one sample to the next: the resolution. */
  readonly everyMs: number
  readonly longestGapMs: number
  readonly held: readonly LockHold[]
  readonly waitedFor: readonly LockHold[]
}

export type SamplerQuestion =
  | { readonly do: 'start'; readonly url: string; readonly sessions: string }
  | { readonly do: 'record' }
  | { readonly do: 'stop' }

export interface LockSampler {
  /** From now on what is seen counts. Before, the sampler does the same work for nothing. */
  record(): Promise<void>
  /** Ends the sampling and gives what was seen. */
  stop(): Promise<LockFigures>
}

/** `sessions` is the application name of the sessions that are watched. */
export async function startLockSampler(url: string, sessions: string): Promise<LockSampler> {
  const sampler = startProcess<SamplerQuestion, LockFigures | undefined>('lock-sampler-process', [])
  await sampler.ask({ do: 'start', url, sessions })
  return {
    record: async () => {
      await sampler.ask({ do: 'record' })
    },
    stop: async () => {
      const figures = await sampler.ask({ do: 'stop' })
      await sampler.end()
      if (!figures) throw new Error('The sampler gave no figures.')
      return figures
    },
  }
}
