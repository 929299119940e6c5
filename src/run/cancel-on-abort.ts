import type { DatabaseClient } from './client.ts'
import { GaveWay } from './gave-way.ts'
import { onAbort } from './run-aborted.ts'
import { within } from './within.ts'

/** How often a cancellation is sent again: the one before may have come between two statements. */
const everyMs = 250
/** How long a statement may go on after the abort before its connection is given up. */
const giveUpAfterMs = 15_000
/** How long to wait for a request that is on its way, so that it does not hit the next statement. */
const lastRequestMs = 1_000

export interface RunningStatement {
  readonly client: DatabaseClient
  /** Undefined while it is being asked for. */
  readonly pid: number | undefined
  readonly signal: AbortSignal | undefined
  /** Whether the session may be somebody else's when the statement's transaction is over. @default false */
  readonly pooled?: boolean
}

export interface Cancellation {
  /** Rejects when the statement went on in spite of all requests, as it does when the network is gone. */
  readonly givenUp: Promise<never>
  /** The statement is over. */
  stop(): Promise<void>
}

/** From the abort on asks the server to cancel the statement, again and again until it is over. */
export function cancelOnAbort({ client, pid, signal, pooled = false }: RunningStatement): Cancellation {
  let timer: NodeJS.Timeout | undefined
  let request: Promise<void> | undefined
  let giveUp: (error: Error) => void
  const givenUp = new Promise<never>((_, reject) => {
    giveUp = reject
  })
  const send = async (): Promise<void> => {
    try {
      if (pid !== undefined) await client.cancel(pid)
    } catch {
      // Sent again shortly.
    } finally {
      request = undefined
    }
  }
  const stopListening = onAbort(signal, () => {
    const since = performance.now()
    const cancel = (): void => {
      // One at a time: a request may hang with the network.
      request ??= send()
      if (performance.now() - since > giveUpAfterMs) {
        giveUp(new Error(`it did not end within ${giveUpAfterMs} ms`))
      }
    }
    timer = setInterval(cancel, everyMs)
    // Who watches the session cancels it himself.
    if (!(signal?.reason instanceof GaveWay)) cancel()
  })
  return {
    givenUp,
    stop: async () => {
      stopListening()
      clearInterval(timer)
      if (request === undefined) return
      // The transaction goes on when this returns, so what is on its way hits nobody else.
      await within(request, { ms: pooled ? giveUpAfterMs : lastRequestMs, what: 'answer to a cancel' }).catch(
        () => undefined,
      )
    },
  }
}
