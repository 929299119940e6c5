import { Instant } from '../model/instant.ts'
import type { TableInspection } from '../plan/inspection.ts'
import { inspectTable } from '../plan/inspection.ts'
import type { Operation } from '../plan/operation.ts'
import { TablePartitionConfig } from '../policy/config.ts'
import { HeldLease } from './held-lease.ts'
import type { HookRunner } from './hook-runner.ts'
import type { LockManager } from './lock.ts'
import type { Logger } from './logger.ts'
import { runOperations } from './operation-runner.ts'
import { Patience } from './patience.ts'
import { PostgresPartitionRepository } from './postgres-repository.ts'
import type { PartitionRepository } from './repository.ts'
import { abortedBy, throwIfAborted } from './run-aborted.ts'
import type { ApplyOptions, ConfigInput, RunOutcome } from './run-outcome.ts'
import { RunRecord } from './run-record.ts'
import { withRunSlot } from './run-slots.ts'
import type { Planned } from './table-planner.ts'

export interface LockedRunsParts {
  readonly repo: PartitionRepository
  readonly locks: LockManager
  readonly hooks: HookRunner
  readonly logger: Logger
}

/** What is done with the lock of one table in hand. */
export interface LockedRun {
  readonly trusted: TablePartitionConfig
  readonly record: RunRecord
  /** Aborts when the run is stopped, and when the lock is lost. */
  readonly signal: AbortSignal
  /** Carries out operations of a plan; `refuse` says why one must not run although it was planned, or nothing. */
  readonly execute: (
    this: void,
    planned: Planned,
    operations: readonly Operation[],
    refuse?: (operation: Operation) => string | undefined,
  ) => Promise<void>
}

/** Runs that have a table to themselves: a free slot of the pool, the table's lock, the work, and the lock given back. */
export class LockedRuns {
  readonly #parts: LockedRunsParts

  constructor(parts: LockedRunsParts) {
    this.#parts = parts
  }

  async underLock(
    config: ConfigInput,
    options: ApplyOptions,
    body: (run: LockedRun) => Promise<void>,
  ): Promise<RunOutcome> {
    const trusted = TablePartitionConfig.from(config)
    const record = new RunRecord(trusted.table)
    const { repo } = this.#parts
    try {
      throwIfAborted(options.signal, 'The run was stopped before it began.')
      await withRunSlot(
        repo instanceof PostgresPartitionRepository ? repo.client : undefined,
        options.signal,
        () => this.#locked(options, { trusted, record, body }),
      )
    } catch (error) {
      record.ended(error)
    }
    return { result: record.result(), error: record.error }
  }

  async #locked(
    options: ApplyOptions,
    run: {
      readonly trusted: TablePartitionConfig
      readonly record: RunRecord
      readonly body: (run: LockedRun) => Promise<void>
    },
  ): Promise<void> {
    const { trusted, record, body } = run
    const { repo, locks, hooks, logger } = this.#parts
    const { signal: stop, now, allowDestructive = true, continueOnError = false } = options
    const lease = await locks.acquireLock(trusted.table, stop ? { signal: stop } : {})
    const lock = new HeldLease(lease)
    const signal = stop ? AbortSignal.any([stop, lease.signal]) : lease.signal
    const patience = new Patience(repo.budget?.giveUpAfterMs ?? 0)
    const execute: LockedRun['execute'] = async ({ input, plan }, operations, refuse) => {
      let inspection: TableInspection | undefined
      await runOperations(
        { repository: repo, hooks, logger },
        {
          config: input.config,
          input,
          operations,
          get inspection() {
            return (inspection ??= inspectTable(input, plan))
          },
          server: input.tree.server,
          lock,
          signal,
          now: now === undefined ? undefined : Instant.from(now),
          patience,
          allowDestructive,
          continueOnError,
          ...(refuse && { refuse }),
        },
        record,
      )
    }
    try {
      await body({ trusted, record, signal, execute })
    } catch (error) {
      record.ended(signal.aborted ? abortedBy(signal, error) : error)
    } finally {
      await lease.release()
    }
  }
}
