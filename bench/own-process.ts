/** Runs a part of a benchmark in a process of its own, so that no event loop waits for another's work. */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface OwnProcess<Question, Answer> {
  /** One question at a time. Rejects with what the other process threw. */
  ask(question: Question): Promise<Answer>
  /** Ends the process; resolves when it is gone. */
  end(): Promise<void>
}

type Reply<Answer> = { readonly answer: Answer } | { readonly error: string }

/** Starts a program of this folder, by its name without an ending. */
export function startProcess<Question extends object, Answer>(
  program: string,
  args: readonly string[],
): OwnProcess<Question, Answer> {
  const file = fileURLToPath(new URL(`${program}.js`, import.meta.url))
  const child = fork(file, [...args], { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve()
    })
  })
  return {
    ask: (question) =>
      new Promise((resolve, reject) => {
        const onExit = (): void => {
          reject(new Error(`${program} ended before it answered.`))
        }
        child.once('exit', onExit)
        child.once('message', (reply: Reply<Answer>) => {
          child.removeListener('exit', onExit)
          if ('error' in reply) reject(new Error(`${program}: ${reply.error}`))
          else resolve(reply.answer)
        })
        child.send(question)
      }),
    end: () => {
      if (child.connected) child.disconnect()
      return ended
    },
  }
}

/** Sends the answer to the process that asked; that process hanging up ends this one. */
export function reply(answer: Promise<unknown>): void {
  answer.then(
    (given) => process.send?.({ answer: given }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }),
  )
}

export function endWithTheAsker(): void {
  process.once('disconnect', () => process.exit(0))
}

/** Milliseconds of the system's monotonic clock, which all processes of the machine share. */
export function clockMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}
