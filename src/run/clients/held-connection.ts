import { ConnectionFailedError } from '../../errors.ts'
import type { DatabaseConnection, QueryResult } from '../client.ts'
import { timeoutAdvice } from '../session-limits.ts'
import { describeError, sqlStateOf } from '../sql-state.ts'

/** What a driver's connection can do, to be made into a `DatabaseConnection`. */
export interface DriverConnection {
  send(text: string, values: readonly unknown[] | undefined): Promise<QueryResult>
  /** Called once: `keep` for the next caller, or `close` it, or it is `lost` already. */
  giveBack(how: 'keep' | 'close' | 'lost'): void | Promise<void>
  /** The process that the server named when the connection was opened. */
  openedWith?(): number | undefined
}

export interface HeldConnection extends DatabaseConnection {
  /** Reports that the driver lost the connection. */
  lose(this: void, error: Error): void
}

/**
 * The part of the contract that is the same for every driver: it is given back once, refuses to be used afterwards or
 * when it is lost, and tells each listener of the loss once, also one that comes after it.
 */
export function heldConnection(driver: DriverConnection): HeldConnection {
  const listeners = new Set<(error: Error) => void>()
  let released = false
  let loss: Error | undefined
  const tell = (listener: (error: Error) => void, error: Error): void => {
    if (listeners.delete(listener)) listener(error)
  }
  return {
    query: async (text, values) => {
      if (released)
        throw new ConnectionFailedError('This connection was given back and cannot be used any more.')
      if (loss !== undefined) {
        throw new ConnectionFailedError(
          `The connection was lost before the next statement was sent: ${describeError(loss)}.${timeoutAdvice(loss)}`,
          { cause: loss },
        )
      }
      try {
        return await driver.send(text, values)
      } catch (error) {
        // pg gives its error of an ended connection neither a code nor a class of its own.
        if (loss === undefined || sqlStateOf(error) !== undefined) throw error
        throw new ConnectionFailedError(`The connection was lost: ${describeError(error)}.`, { cause: error })
      }
    },
    onLost: (listener) => {
      const entry = (error: Error): void => {
        listener(error)
      }
      listeners.add(entry)
      if (loss !== undefined) queueMicrotask(tell.bind(undefined, entry, loss))
      return () => {
        listeners.delete(entry)
      }
    },
    openedWith: () => driver.openedWith?.(),
    lose: (error) => {
      loss ??= error
      for (const listener of listeners) tell(listener, error)
    },
    release: async (discard = false) => {
      if (released) return
      released = true
      listeners.clear()
      await driver.giveBack(loss !== undefined ? 'lost' : discard ? 'close' : 'keep')
    },
  }
}
