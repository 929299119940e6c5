/** What is left of the time in which the run of one table tries again for locks that are not free. */
export class Patience {
  #leftMs: number

  constructor(ms: number) {
    this.#leftMs = ms
  }

  get isOver(): boolean {
    return this.#leftMs <= 0
  }

  get leftMs(): number {
    return Math.max(0, this.#leftMs)
  }

  spend(ms: number): void {
    this.#leftMs -= ms
  }
}
