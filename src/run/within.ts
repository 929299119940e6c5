export interface Patience<T> {
  readonly ms: number
  /** What was waited for: `an answer from Redis`. */
  readonly what: string
  /** Given what comes too late after all, to undo it. */
  readonly late?: (value: T) => void
}

/** Waits for the work at most `ms`, then rejects; the timer keeps the process alive only as long as somebody waits. */
export async function within<T>(work: Promise<T>, { ms, what, late }: Patience<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  let isLate = false
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      // Where this process was busy, what has come meanwhile is read first.
      setImmediate(() => {
        isLate = true
        reject(new Error(`no ${what} within ${ms} ms`))
      })
    }, ms)
  })
  work.then(
    (value) => (isLate ? late?.(value) : undefined),
    () => undefined,
  )
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
