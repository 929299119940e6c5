import { LockLostError, PartitionError, RunAbortedError } from '../errors.ts'

/**
 * The error of a run that was stopped through its signal.
 *
 * A reason that is one of the library's own errors says why and is thrown as it is: a lost lock stays a `LockLostError`.
 */
export function abortErrorOf(signal: AbortSignal, message: string): PartitionError {
  const reason: unknown = signal.reason
  return reason instanceof PartitionError ? reason : new RunAbortedError(message, { cause: reason })
}

/** What ended a run whose signal has aborted: an error that says so already, or else the abort. */
export function abortedBy(signal: AbortSignal, error: unknown): PartitionError {
  if (error instanceof RunAbortedError || (error instanceof PartitionError && error === signal.reason)) {
    return error
  }
  return abortErrorOf(signal, 'The run was stopped.')
}

/** Throws when the signal has aborted already. */
export function throwIfAborted(signal: AbortSignal | undefined, message: string): void {
  if (signal?.aborted === true) throw abortErrorOf(signal, message)
}

/** Calls the listener when the signal aborts, at once when it has aborted already. Returns a function that stops it. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal === undefined) return () => undefined
  if (signal.aborted) {
    listener()
    return () => undefined
  }
  signal.addEventListener('abort', listener, { once: true })
  return () => {
    signal.removeEventListener('abort', listener)
  }
}

/** Waits for the work, or rejects as soon as the signal aborts; the work goes on and its outcome is not looked at. */
export async function untilAborted<T>(
  work: Promise<T>,
  { signal, message }: { readonly signal: AbortSignal | undefined; readonly message: string },
): Promise<T> {
  if (signal === undefined) return work
  return new Promise((resolve, reject) => {
    const stop = onAbort(signal, () => {
      reject(abortErrorOf(signal, message))
    })
    work.then(resolve, reject).finally(stop)
  })
}

/** Whether whoever started the run has stopped it: with the lock of the table lost, another run may be at work. */
export function isStopped(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && !(signal.reason instanceof LockLostError)
}

/**
 * Aborts when the lock of the table is lost, and not when the run is stopped: for what must not be left undone. To be
 * stopped when that is done, as the run goes on.
 */
export function onlyLockLost(signal: AbortSignal | undefined): {
  readonly signal: AbortSignal
  readonly stop: () => void
} {
  const lost = new AbortController()
  const stop = onAbort(signal, () => {
    if (!isStopped(signal)) lost.abort(signal?.reason)
  })
  return { signal: lost.signal, stop }
}
