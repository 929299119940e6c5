export interface Latch<T> {
  readonly opened: Promise<T>
  open(value: T): void
}

/** A promise that somebody else resolves. */
export function latch<T = undefined>(): Latch<T> {
  let open: (value: T) => void = () => undefined
  const opened = new Promise<T>((resolve) => {
    open = resolve
  })
  return { opened, open: (value) => open(value) }
}
