import { setTimeout as sleep } from 'node:timers/promises'

import { HookRefusedError, PartitionError } from '../errors.ts'
import { formatTableName } from '../model/table-name.ts'
import type { HookPhase } from '../policy/options.ts'
import { hookPhases } from '../policy/schema.ts'
import { pinSettings } from '../sql/catalog.ts'
import type { DatabaseClient, QueryResult } from './client.ts'
import type { PartitionEvent, PartitionLifecycleHooks } from './hooks.ts'
import type { Logger } from './logger.ts'
import { abortErrorOf, throwIfAborted } from './run-aborted.ts'
import { withConnection } from './session.ts'
import { describeError, readableError } from './sql-state.ts'

export interface HookRunnerOptions {
  readonly hooks: readonly PartitionLifecycleHooks[]
  /** The longest one hook may take. */
  readonly timeoutMs: number
  readonly logger: Logger
  /** Where a hook's `query` reads. */
  readonly client: DatabaseClient | undefined
}

/** How long a hook that was told to stop is waited for. */
const stopMs = 3_000

export type HookSubject = Omit<PartitionEvent, 'phase' | 'signal' | 'query'>

/** Calls the hooks of a phase in order, each with its own time limit. */
export class HookRunner {
  readonly #options: HookRunnerOptions

  constructor(options: HookRunnerOptions) {
    this.#options = options
    const phases: readonly string[] = hookPhases
    for (const hooks of options.hooks) {
      const unknown = Object.keys(hooks).filter(
        (name) => /^(before|after)/.test(name) && !phases.includes(name),
      )
      if (unknown.length > 0) {
        throw new PartitionError(
          `There is no hook ${unknown.join(', ')}. The hooks are ${phases.join(', ')}.`,
          { code: 'invalid-config' },
        )
      }
    }
  }

  get isEmpty(): boolean {
    return this.#options.hooks.length === 0
  }

  /** Calls `before*`; the first hook that throws refuses the operation, and later ones are not called. */
  async before(phase: HookPhase, subject: HookSubject, signal: AbortSignal): Promise<void> {
    for (const hooks of this.#options.hooks) {
      try {
        await this.#call(hooks, { phase, subject, signal })
      } catch (thrown) {
        const error = readableError(thrown)
        throwIfAborted(signal, `The run was stopped in the hook ${phase} of ${subject.operation.id}.`)
        throw new HookRefusedError(
          `${formatTableName(subject.table)}: ${phase} of ${subject.operation.id}: refused by hook: ${describeError(error)}. Nothing was changed; the next run tries again.`,
          { cause: error },
        )
      }
    }
  }

  /** Calls `after*`; what a hook throws is logged and returned, and the others are still called. */
  async after(phase: HookPhase, subject: HookSubject, signal: AbortSignal): Promise<readonly string[]> {
    const failures: string[] = []
    for (const hooks of this.#options.hooks) {
      try {
        await this.#call(hooks, { phase, subject, signal })
      } catch (error) {
        const message = `${formatTableName(subject.table)}: ${phase} failed after ${subject.operation.id}: ${describeError(error)}. The operation itself is done.`
        this.#options.logger.warn(message, { phase, operation: subject.operation.id })
        failures.push(message)
      }
    }
    return failures
  }

  async #call(
    hooks: PartitionLifecycleHooks,
    { phase, subject, signal }: { phase: HookPhase; subject: HookSubject; signal: AbortSignal },
  ): Promise<void> {
    if (typeof hooks[phase] !== 'function') return
    if (signal.aborted) throw new PartitionError('it was not called, because the run was stopped')
    const { timeoutMs } = this.#options
    const timeout = AbortSignal.timeout(timeoutMs)
    const limited = AbortSignal.any([signal, timeout])
    const event: PartitionEvent = {
      ...subject,
      phase,
      signal: limited,
      query: (text, values) => this.#query(limited, text, values),
    }
    const over = new AbortController()
    const tooLong = `it did not finish within ${timeoutMs} ms`
    const stopped = stopOf(limited, over.signal).then((): never => {
      throw abortErrorOf(limited, 'it went on although the run was stopped')
    })
    try {
      await Promise.race([hooks[phase](event), stopped])
    } catch (error) {
      if (timeout.aborted && !signal.aborted) throw new PartitionError(tooLong, { cause: error })
      throw error
    } finally {
      over.abort()
    }
    // It came to an end because it was told to, so it is not known how much of its work it did.
    if (timeout.aborted && !signal.aborted) throw new PartitionError(tooLong)
  }

  async #query(signal: AbortSignal, text: string, values?: readonly unknown[]): Promise<QueryResult> {
    const { client } = this.#options
    if (!client) {
      throw new PartitionError(
        'This service was built with a repository of your own, which has no client to read with.',
      )
    }
    return withConnection(client, { signal }, (session) =>
      session.transaction(
        async () => {
          await session.query(pinSettings)
          return session.query(text, values)
        },
        { readOnly: true },
      ),
    )
  }
}

/**
 * Resolves when a hook is to be given up: it was told to stop and had time to. One that does not listen must not hold
 * the run, and with it the lock, for ever; one that listens has ended what it started before the process goes on.
 */
async function stopOf(signal: AbortSignal, over: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true, signal: over })
  })
  await sleep(stopMs, undefined, { signal: over })
}
