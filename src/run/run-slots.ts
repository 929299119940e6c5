import type { DatabaseClient } from './client.ts'
import { untilAborted } from './run-aborted.ts'

/** The lock, and the two connections of a concurrent detach. */
export const connectionsPerRun = 3

interface Slots {
  free: number
  readonly waiting: (() => void)[]
}

const slotsOfClients = new WeakMap<DatabaseClient, Slots>()

/**
 * Runs the work when the client has room for all connections of one more run; others wait, first come, first served.
 *
 * A run takes its connections one after the other and keeps them. Runs that share a pool and begin without room for all
 * of them would each wait for a connection that another one holds, for ever.
 */
export async function withRunSlot<T>(
  client: DatabaseClient | undefined,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const most = client?.capabilities.maxConnections
  if (client === undefined || most === undefined) return work()
  const slots = slotsOfClients.get(client) ?? {
    free: Math.max(1, Math.floor(most / connectionsPerRun)),
    waiting: [],
  }
  slotsOfClients.set(client, slots)
  await takeSlot(slots, signal)
  try {
    return await work()
  } finally {
    giveSlot(slots)
  }
}

async function takeSlot(slots: Slots, signal: AbortSignal | undefined): Promise<void> {
  if (slots.free > 0) {
    slots.free--
    return
  }
  const { promise: given, resolve: turn } = turnOf()
  slots.waiting.push(turn)
  try {
    await untilAborted(given, {
      signal,
      message: 'The run was stopped while it waited for room in the pool.',
    })
  } catch (error) {
    const place = slots.waiting.indexOf(turn)
    // The turn may have come at the very moment of the abort; then it goes on to the next.
    if (place >= 0) slots.waiting.splice(place, 1)
    else giveSlot(slots)
    throw error
  }
}

function giveSlot(slots: Slots): void {
  const next = slots.waiting.shift()
  if (next) next()
  else slots.free++
}

function turnOf(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  const turn: { resolve?: () => void } = {}
  const promise = new Promise<void>((resolve) => {
    turn.resolve = resolve
  })
  return { promise, resolve: () => turn.resolve?.() }
}
