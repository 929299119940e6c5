import type { Row } from '../sql/statement.ts'
import type { Session } from './session.ts'

/**
 * Sends the statements of a transaction together with the next question, where the client can: each message less saves
 * its way to the server and back. None runs after one that failed, as when they are sent one by one.
 */
export class StatementBatch {
  readonly #session: Session
  #waiting: readonly string[] = []

  constructor(session: Session) {
    this.#session = session
  }

  /** Has a statement sent, at the latest by `finish`. */
  async add(text: string): Promise<void> {
    this.#waiting = [...this.#waiting, text]
    if (!this.#session.takesSeveral) await this.#session.query(this.#take())
  }

  /** The first row of the answer to the question, after everything before it. */
  async ask(text: string): Promise<Row | undefined> {
    this.#waiting = [...this.#waiting, text]
    return (await this.#session.query(this.#take())).rows[0]
  }

  /** What is left ends the transaction. */
  async finish(): Promise<void> {
    if (this.#waiting.length > 0) await this.#session.finish(this.#take())
  }

  #take(): string {
    const text = this.#waiting.join(';\n')
    this.#waiting = []
    return text
  }
}
