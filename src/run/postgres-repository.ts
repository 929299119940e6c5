import { InvalidPartitionConfigError, PartitionAlreadyExistsError } from '../errors.ts'
import type { WantedLock } from '../plan/blocker.ts'
import { whyHeld } from '../plan/lock-limit.ts'
import { checkOptions } from '../policy/call-options.ts'
import { defaultMarkerPrefix } from '../model/marker.ts'
import type {
  AttachOperation,
  CreateOperation,
  DetachOperation,
  DropOperation,
  FinalizeOperation,
  Operation,
  ReadmitOperation,
  UnmarkOperation,
} from '../plan/operation.ts'
import { isBeingBuilt, isMadeAtOnce } from '../sql/create.ts'
import type { DdlContext } from '../sql/ddl-context.ts'
import { checkRace } from '../sql/same-range.ts'
import type { Adoption } from '../sql/adopt.ts'
import { adoptSteps } from '../sql/adopt.ts'
import { dropSteps } from '../sql/drop.ts'
import { lookForExclusion, readmitSteps } from '../sql/exclude-from-default.ts'
import { takeBackProofSteps } from '../sql/prove-range.ts'
import type { Seen } from '../sql/look-again.ts'
import { lookAgain, lookByOid, readSeen } from '../sql/look-again.ts'
import type { LockBudget } from '../sql/lock-budget.ts'
import { defaultBudget } from '../sql/lock-budget.ts'
import { lockTimeoutFor } from '../sql/settings.ts'
import type { Sql } from '../sql/sql.ts'
import { toText } from '../sql/sql.ts'
import { lookForUnmarked, markAgainSteps } from '../sql/write-marker.ts'
import type { Row, Step, TableMeasure } from '../sql/statement.ts'
import { renderStatements, statements } from '../sql/statements.ts'
import { pinSettings } from '../sql/catalog.ts'
import { nameOf } from './catalog-rows.ts'
import type { DatabaseClient } from './client.ts'
import type { ClientSource } from './clients/to-client.ts'
import { toClient } from './clients/to-client.ts'
import { isDone } from './done-meanwhile.ts'
import { explainFailure, isFromServer } from './explain-failure.ts'
import { leftBuilt } from './left-built.ts'
import { leftUnmarked } from './left-unmarked.ts'
import { stillExcluded } from './still-excluded.ts'
import { Patience } from './patience.ts'
import type { OperationResult, PartitionRepository, RunContext } from './repository.ts'
import { poolProblem } from './pool-size.ts'
import { isStopped, onlyLockLost } from './run-aborted.ts'
import { longestSilenceMs, withConnection } from './session.ts'
import type { StepsOutcome } from './step-runner.ts'
import { StepRefused } from './step-refused.ts'
import { runSteps } from './step-runner.ts'

export interface PostgresPartitionRepositoryOptions {
  /** How the markers in table comments begin. @default 'pg-partsmith' */
  readonly markerPrefix?: string
  /** The zone of the transactions that attach; null leaves the one that the server gives the role. @default 'UTC' */
  readonly ddlTimezone?: string | null
  /**
   * The longest wait for one lock, and the longest that others may wait behind it; kept below the server's
   * `deadlock_timeout` in any case. @default 100
   */
  readonly lockTimeoutMs?: number
  /** The longest run of one statement. @default 10000 */
  readonly statementTimeoutMs?: number
  /** How long a run tries again, in all, for locks of one table that are not free; 0 tries once. @default 15000 */
  readonly giveUpAfterMs?: number
  /** Drops detached tables without a marker, too. @default false */
  readonly dropAllowUnmanaged?: boolean
}

/**
 * Changes partitions on a PostgreSQL server, 15 or later.
 *
 * Made to be subclassed: override a method to do something more, and call `super` to have the work done.
 */
export class PostgresPartitionRepository implements PartitionRepository {
  readonly markerPrefix: string
  readonly ddlTimezone: string | null
  readonly client: DatabaseClient
  readonly budget: LockBudget
  readonly #dropAllowUnmanaged: boolean

  constructor(client: ClientSource, options: PostgresPartitionRepositoryOptions = {}) {
    checkOptions('repository', options)
    this.client = toClient(client)
    this.markerPrefix = options.markerPrefix ?? defaultMarkerPrefix
    this.ddlTimezone = options.ddlTimezone === undefined ? 'UTC' : options.ddlTimezone
    this.budget = {
      ...defaultBudget,
      ...(options.lockTimeoutMs !== undefined && { lockTimeoutMs: options.lockTimeoutMs }),
      ...(options.statementTimeoutMs !== undefined && { statementTimeoutMs: options.statementTimeoutMs }),
      ...(options.giveUpAfterMs !== undefined && { giveUpAfterMs: options.giveUpAfterMs }),
    }
    this.#dropAllowUnmanaged = options.dropAllowUnmanaged ?? false
    const problem = poolProblem(this.client)
    if (problem !== undefined) throw new InvalidPartitionConfigError(problem)
  }

  async createPartition(operation: CreateOperation, run: RunContext): Promise<OperationResult> {
    const [build, ...attach] = this.#steps(operation, run)
    const built = build && (await this.#build(operation, build, run))
    if (built?.status === 'raced' || isMadeAtOnce(operation)) return built ?? { status: 'done' }
    const exclusion: Exclusion = { isOn: false }
    try {
      const result = await this.#attach(operation, attach, { ...run, exclusion })
      if (result.status === 'raced' && exclusion.isOn) await this.#readmit(operation, run)
      return result
    } catch (error) {
      const { signal: _, ...unstopped } = run
      const isServers = isFromServer(error)
      // Stopped while it was put on, it may be on; what the server has refused is not.
      const readmits = isServers ? exclusion.isOn : operation.excludesFromDefault && isStopped(run.signal)
      const own = isServers
        ? { ...run, patience: this.#patience() }
        : { ...unstopped, patience: this.#patience(1 / 4) }
      const left = readmits ? await this.#readmit(operation, own) : undefined
      const oid = built?.oid
      const stays = oid !== undefined && !(isServers && (await this.#removeBuilt(operation, oid, own)))
      const failure = stays ? leftBuilt(error, operation) : error
      throw left ? stillExcluded(failure, operation, left.why) : failure
    }
  }

  async attachPartition(operation: AttachOperation, run: RunContext): Promise<OperationResult> {
    try {
      return await this.#attach(operation, this.#steps(operation, run), run)
    } catch (error) {
      if (operation.provesRange && isFromServer(error)) await this.#takeBackProof(operation, run)
      throw error
    }
  }

  async finalizeDetach(operation: FinalizeOperation, run: RunContext): Promise<OperationResult> {
    const result = await this.#carryOut(operation, run)
    if (operation.guard.marked) await this.#keepMarked(operation, run)
    return result
  }

  async detachPartition(operation: DetachOperation, run: RunContext): Promise<OperationResult> {
    const result = await this.#carryOut(operation, run)
    if (operation.mode === 'concurrent') await this.#keepMarked(operation, run)
    return result
  }

  /** Drops a detached table: never an attached one, never one without our marker, never with CASCADE. */
  async dropPartition(operation: DropOperation, run: RunContext): Promise<OperationResult> {
    return this.#carryOut(operation, run)
  }

  async unmarkPartition(operation: UnmarkOperation, run: RunContext): Promise<OperationResult> {
    return this.#carryOut(operation, run)
  }

  async readmitRange(operation: ReadmitOperation, run: RunContext): Promise<OperationResult> {
    return this.#carryOut(operation, run)
  }

  async adoptPartition(adoption: Adoption, run: RunContext): Promise<TableMeasure> {
    try {
      const { measured } = await this.#run(adoptSteps(adoption, this.#context(run)), run, [
        { relation: adoption.table, mode: 'SHARE UPDATE EXCLUSIVE' },
      ])
      return { sizeBytes: 0, ...measured }
    } catch (error) {
      throw explainFailure(
        error,
        { kind: 'adopt', parent: adoption.parent, partition: adoption.table },
        this.#budgetFor(run),
      )
    }
  }

  renderOperation(operation: Operation, server: RunContext['server']): string {
    return renderStatements(operation, this.#context({ server }))
  }

  /** Builds the table, or finds that somebody else did: another maintainer, at work on the same partition. */
  async #build(operation: CreateOperation, build: Step, run: RunContext): Promise<OperationResult> {
    try {
      return { status: 'done', ...oidOf(await this.#run([build], run, operation.locks)) }
    } catch (error) {
      const explained = this.#explain(error, operation, run)
      if (!(explained instanceof PartitionAlreadyExistsError)) throw explained
      const seen = await this.#look(operation, run)
      const race = checkRace(seen, operation)
      if (race?.code === 'raced') return { status: 'raced', ...(seen.oid !== null && { oid: seen.oid }) }
      if (race) throw this.#explain(new StepRefused(race), operation, run)
      if (isMadeAtOnce(operation) || !isBeingBuilt(seen, operation, this.markerPrefix)) throw explained
      // Not ours to remove, so its OID is not told.
      return { status: 'done' }
    }
  }

  /**
   * Takes off the CHECK that excludes the range from DEFAULT; what stood in the way of the attach may still be there, so
   * it is tried for long again. Gives the failure where the CHECK stays.
   */
  async #readmit(
    { parent, guard }: CreateOperation,
    run: RunContext,
  ): Promise<{ readonly why: unknown } | undefined> {
    const { parentOid, defaultOid, default: fallback } = guard
    if (!fallback || defaultOid === null) return undefined
    try {
      if (!(await this.#read(lookForExclusion(fallback), run))) return undefined
      const readmission = { parent, partition: fallback, guard: { parentOid, oid: defaultOid } }
      await this.#run(readmitSteps(readmission, this.#context(run)), run, [
        { relation: fallback, mode: 'ACCESS EXCLUSIVE' },
      ])
      return undefined
    } catch (why) {
      return { why }
    }
  }

  /** Takes back what was built and cannot be attached now. Where this fails, too, the next run does it. */
  async #removeBuilt(operation: CreateOperation, oid: string, run: RunContext): Promise<boolean> {
    const guard = { parentOid: operation.guard.parentOid, oid, comment: null, marker: 'building' } as const
    const steps = dropSteps({ ...operation, kind: 'drop', guard }, this.#context(run))
    return this.#run(steps, run, []).then(
      () => true,
      () => false,
    )
  }

  /** Also where the run was stopped, because nothing else knows of the table; with its lock lost nothing is sent. */
  async #keepMarked(operation: DetachOperation | FinalizeOperation, run: RunContext): Promise<void> {
    const { signal, stop } = onlyLockLost(run.signal)
    const own = { ...run, signal, patience: this.#patience(1 / 4) }
    const context = this.#context(run)
    try {
      const row = await this.#read(lookForUnmarked(operation, context), own)
      const table = row && nameOf(row)
      if (!table) return
      await this.#run(markAgainSteps(operation, { table, context }), own, [
        { relation: table, mode: 'SHARE UPDATE EXCLUSIVE' },
      ])
    } catch (why) {
      throw signal.aborted ? why : leftUnmarked(operation, why)
    } finally {
      stop()
    }
  }

  /** Where this fails, too, the proof stays on a table that nobody writes to, and the next attempt replaces it. */
  async #takeBackProof(operation: AttachOperation, run: RunContext): Promise<void> {
    await this.#run(takeBackProofSteps(operation, this.#context(run)), run, []).catch(() => undefined)
  }

  async #attach(
    operation: CreateOperation | AttachOperation,
    steps: readonly Step[],
    run: RunContext & { readonly exclusion?: Exclusion },
  ): Promise<OperationResult> {
    try {
      const outcome = await this.#runAttach(operation, steps, run)
      return { status: 'done', rowsMoved: outcome.rowsMoved, ...oidOf(outcome) }
    } catch (error) {
      if (error instanceof StepRefused && error.refusal.code === 'raced') return { status: 'raced' }
      throw this.#explain(error, operation, run)
    }
  }

  /** Inserts of the range are refused after the first step of an exclusion, so the steps after it are soon given up. */
  async #runAttach(
    operation: CreateOperation | AttachOperation,
    steps: readonly Step[],
    run: RunContext & { readonly exclusion?: Exclusion },
  ): Promise<StepsOutcome> {
    const excludes = operation.kind === 'create' && operation.excludesFromDefault !== undefined
    if (!excludes) return this.#run(steps, run, operation.locks)
    await this.#run(steps.slice(0, 1), run, operation.locks)
    if (run.exclusion) run.exclusion.isOn = true
    return this.#run(steps.slice(1), { ...run, patience: this.#patience(1 / 4) }, operation.locks)
  }

  async #carryOut(
    operation: FinalizeOperation | DetachOperation | DropOperation | UnmarkOperation | ReadmitOperation,
    run: RunContext,
  ): Promise<OperationResult> {
    const { oid } = operation.guard
    try {
      await this.#run(this.#steps(operation, run), run, operation.locks)
      return { status: 'done', oid }
    } catch (error) {
      const explained = this.#explain(error, operation, run)
      if (isFromServer(explained) && (await this.#isDone(operation, run))) return { status: 'raced', oid }
      throw explained
    }
  }

  /** Whether an operation that failed has come true all the same: somebody else did it meanwhile. */
  async #isDone(
    operation: FinalizeOperation | DetachOperation | DropOperation | UnmarkOperation | ReadmitOperation,
    run: RunContext,
  ): Promise<boolean> {
    try {
      const row = await this.#read(lookByOid(operation.guard.oid), run)
      return isDone(operation, row && readSeen(row), this.markerPrefix)
    } catch {
      // The failure itself says more than that it could not be looked into.
      return false
    }
  }

  async #look({ parent, partition }: Operation, run: RunContext): Promise<Seen> {
    return readSeen(await this.#read(lookAgain(parent, partition), run))
  }

  async #read(question: Sql, { signal }: RunContext): Promise<Row | undefined> {
    return withConnection(this.client, { signal, silenceMs: longestSilenceMs }, (session) =>
      session.transaction(
        async () => {
          await session.query(pinSettings)
          return (await session.query(toText(question))).rows[0]
        },
        { readOnly: true },
      ),
    )
  }

  #steps(operation: Operation, run: RunContext): readonly Step[] {
    return statements(operation, this.#context(run))
  }

  async #run(steps: readonly Step[], run: RunContext, locks: readonly WantedLock[]): Promise<StepsOutcome> {
    return runSteps(steps, {
      client: this.client,
      signal: run.signal,
      budget: this.#budgetFor(run),
      patience: run.patience ?? this.#patience(),
      locks,
      course: run.course,
    })
  }

  /** New, of all the time that a run has, or of a part of it. */
  #patience(share = 1): Patience {
    return new Patience(this.budget.giveUpAfterMs * share)
  }

  #context({ server, now }: Pick<RunContext, 'server' | 'now'>): DdlContext {
    return {
      deadlockTimeoutMs: server.deadlockTimeoutMs,
      shortestDeadlockTimeoutMs: server.shortestDeadlockTimeoutMs,
      database: server.database,
      limits: this.budget,
      ddlTimezone: this.ddlTimezone,
      markerPrefix: this.markerPrefix,
      dropAllowUnmanaged: this.#dropAllowUnmanaged,
      ...(now && { now }),
    }
  }

  #explain(error: unknown, operation: Operation, run: RunContext): unknown {
    return explainFailure(error, operation, this.#budgetFor(run))
  }

  /** As the server gets them. */
  #budgetFor({ server: { deadlockTimeoutMs } }: RunContext): LockBudget {
    const why = whyHeld(this.budget.lockTimeoutMs, deadlockTimeoutMs)
    return {
      ...this.budget,
      lockTimeoutMs: lockTimeoutFor(this.budget, deadlockTimeoutMs),
      ...(why !== undefined && { whyHeld: why }),
    }
  }
}

/** Whether the CHECK that excludes the range of an operation from DEFAULT was put on by it. */
interface Exclusion {
  isOn: boolean
}

function oidOf({ oid }: StepsOutcome): Pick<OperationResult, 'oid'> {
  return oid === undefined ? {} : { oid }
}
