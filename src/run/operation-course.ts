import type { Holder, LockHolder } from '../plan/blocker.ts'

/** What an operation waited for. */
export interface OperationWait {
  /** How often it gave way and was tried again. */
  readonly gaveWayCount: number
  /** How long it waited in all, the attempts that gave way and the pauses after them included. */
  readonly durationMs: number
  /** Who was seen in the way, each once, as last seen: holders of a lock, and of an older snapshot. */
  readonly inTheWay: readonly (LockHolder | Holder)[]
}

/** What is seen of one wait. */
export interface WaitSeen {
  readonly durationMs?: number
  readonly gaveWay?: true
  readonly inTheWay?: readonly (LockHolder | Holder)[]
}

/** Who is told of one operation is enough to know whom it waits for. */
const mostRemembered = 10

/** What happens while one operation is carried out, besides its outcome. */
export class OperationCourse {
  readonly #told: ((first: WaitSeen) => void) | undefined
  readonly #inTheWay = new Map<number | string, LockHolder | Holder>()
  #gaveWayCount = 0
  #durationMs = 0
  #wasTold = false
  #begun = false

  /** `told` is called once, when it first gives way or is seen waiting for somebody. */
  constructor(told?: (first: WaitSeen) => void) {
    this.#told = told
  }

  waited(seen: WaitSeen): void {
    this.#durationMs += seen.durationMs ?? 0
    if (seen.gaveWay) this.#gaveWayCount += 1
    for (const holder of seen.inTheWay ?? []) {
      const id = holder.pid ?? holder.prepared ?? ''
      // The age of the last sight is the one that the sentence of a failure says.
      if (this.#inTheWay.size < mostRemembered || this.#inTheWay.has(id)) this.#inTheWay.set(id, holder)
    }
    if (this.#wasTold || !(seen.gaveWay || seen.inTheWay)) return
    this.#wasTold = true
    this.#told?.(seen)
  }

  /** Says that something has begun that a failure does not undo. */
  begin(): void {
    this.#begun = true
  }

  /** Whether a concurrent detach that failed may be pending. */
  get hasBegun(): boolean {
    return this.#begun
  }

  /** Undefined where nothing was waited for. */
  get wait(): OperationWait | undefined {
    const durationMs = Math.round(this.#durationMs)
    if (this.#gaveWayCount === 0 && durationMs === 0) return undefined
    return { gaveWayCount: this.#gaveWayCount, durationMs, inTheWay: [...this.#inTheWay.values()] }
  }
}
