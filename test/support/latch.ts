export interface Latch<T> {
  readonly opened: Promise<T>
  readonly open: (value: T) => void
}

/** A promise that somebody else resolves. */
export function latch<T = undefined>(): Latch<T> {
  const openers: ((value: T) => void)[] = []
  const opened = new Promise<T>((resolve) => openers.push(resolve))
  return {
    opened,
    open: (value) => {
      for (const opener of openers) opener(value)
    },
  }
}
