/** Lets in a number of callers at a time; the others wait their turn. */
export interface Turnstile {
  /** Resolves when there is room, with the function that makes room again. */
  enter(): Promise<() => void>
}

export function turnstile(places: number): Turnstile {
  const waiting: (() => void)[] = []
  let free = places
  const leave = (): void => {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }
  return {
    enter: async () => {
      if (free > 0) free -= 1
      else await new Promise<void>((resolve) => waiting.push(resolve))
      let left = false
      return () => {
        if (!left) leave()
        left = true
      }
    },
  }
}
