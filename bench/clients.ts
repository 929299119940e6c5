/** Closed-loop clients: each sends a statement, waits for its answer, pauses, and sends the next. */

import type { ClientKind } from './client-kinds.ts'
import { startProcess } from './own-process.ts'

/** On the system's monotonic clock. */
export interface ClientWindow {
  readonly from: number
  readonly to: number
}

export interface ClientFigures {
  readonly kind: ClientKind
  readonly statements: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  /** How many statements took how many milliseconds. */
  readonly histogram: Readonly<Record<string, number>>
  /** How many statements failed, by SQLSTATE. */
  readonly errors: Readonly<Record<string, number>>
}

export type ClientQuestion =
  | {
      readonly do: 'start'
      readonly url: string
      readonly kinds: readonly ClientKind[]
      readonly day: string
      readonly pauseMs: number
    }
  | { readonly do: 'summarise'; readonly window: ClientWindow }
  | { readonly do: 'stop' }

export interface Clients {
  /** What the clients saw in a window; they go on. */
  figures(window: ClientWindow): Promise<readonly ClientFigures[]>
  stop(): Promise<void>
}

/** Starts one client of each kind; resolves when all are connected and at work. */
export async function startClients(options: {
  readonly url: string
  readonly kinds: readonly ClientKind[]
  readonly day: string
  readonly pauseMs: number
}): Promise<Clients> {
  const clients = startProcess<ClientQuestion, readonly ClientFigures[]>('client-process', [])
  await clients.ask({ do: 'start', ...options })
  return {
    figures: (window) => clients.ask({ do: 'summarise', window }),
    stop: async () => {
      await clients.ask({ do: 'stop' })
      await clients.end()
    },
  }
}
