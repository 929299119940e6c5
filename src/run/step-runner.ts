import { setTimeout as sleep } from 'node:timers/promises'

import { ServerUnsupportedError } from '../errors.ts'
import type { TableName } from '../model/table-name.ts'
import { hurryAutovacuum, waitForAutovacuum } from '../sql/blockers.ts'
import type { Sql } from '../sql/sql.ts'
import { toText } from '../sql/sql.ts'
import type {
  Action,
  CommandStep,
  Refusal,
  RepeatStep,
  Step,
  TableMeasure,
  TransactionStep,
} from '../sql/statement.ts'
import type { DatabaseClient } from './client.ts'
import type { Attempt, Ladder } from './lock-ladder.ts'
import { NotNow, tryUntilFree } from './lock-ladder.ts'
import { GaveWay } from './lock-watch.ts'
import type { Session } from './session.ts'
import { withConnection } from './session.ts'
import { hasSqlState, sqlStateOf } from './sql-state.ts'
import { StatementBatch } from './statement-batch.ts'

/** A guard or an answer found at run time said no; the transaction was rolled back and nothing was changed by it. */
export class StepRefused extends Error {
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(refusal.message)
    this.refusal = refusal
  }
}

export interface StepsOutcome {
  readonly rowsMoved: number
  /** The partition's OID, where a step asked for it. */
  readonly oid?: string
  /** How large the table is, where a step asked for it. */
  readonly measured?: Partial<TableMeasure>
}

/**
 * Runs the steps of one operation in order, each on a connection of its own and committing on its own.
 *
 * A step that others are in the way of is tried again: its transaction was rolled back, and it looks at everything anew.
 */
export async function runSteps(steps: readonly Step[], ladder: Ladder): Promise<StepsOutcome> {
  let outcome: StepsOutcome = { rowsMoved: 0 }
  for (const step of steps) {
    const waitsForSnapshots = step.kind === 'transaction' ? step.waitsForSnapshots : undefined
    const own = { ...ladder, ...(waitsForSnapshots && { waitsForSnapshots }) }
    if (step.kind === 'command') {
      const way = await tryUntilFree(own, (attempt) => runCommand(step, ladder, attempt))
      if (way === 'gave way') outcome = merged(outcome, await runSteps([step.finish], ladder))
      continue
    }
    outcome = merged(outcome, await tryUntilFree(own, (attempt) => runStep(step, ladder.client, attempt)))
  }
  return outcome
}

function merged(before: StepsOutcome, now: Partial<StepsOutcome>): StepsOutcome {
  return {
    ...before,
    ...now,
    rowsMoved: before.rowsMoved + (now.rowsMoved ?? 0),
    ...(before.measured && now.measured && { measured: { ...before.measured, ...now.measured } }),
  }
}

async function runStep(
  step: TransactionStep | RepeatStep,
  client: DatabaseClient,
  attempt: Attempt,
): Promise<Partial<StepsOutcome>> {
  const { signal } = attempt
  switch (step.kind) {
    case 'transaction':
      return withConnection(client, { signal }, (session) => runTransaction(session, step, attempt))
    case 'repeat':
      await withConnection(client, { signal }, (session) => runRepeatedly(session, step, attempt))
      return {}
  }
}

async function runRepeatedly(session: Session, step: RepeatStep, attempt: Attempt): Promise<void> {
  let before: string | undefined
  for (;;) {
    const row = (await session.query(toText(step.ask))).rows[0]
    const now = JSON.stringify(row)
    // The same answer twice means that the step did nothing; going on would never end.
    if (row === undefined || now === before) return
    before = now
    await runTransaction(session, step.make(row), attempt)
  }
}

async function runTransaction(
  session: Session,
  step: TransactionStep,
  attempt: Attempt,
): Promise<StepsOutcome> {
  const watch: { stop?: () => Promise<void> } = {}
  for (const table of attempt.vacuumed) await moveAutovacuum(session, { table, settings: step.settings })
  try {
    return await session.transaction(async () => {
      // Through a pooler, which session it is shows only in the transaction.
      watch.stop = await attempt.watch(session.pid)
      const batch = new StatementBatch(session)
      await batch.add(toText(step.settings))
      const outcome = await runActions(batch, step.actions, attempt)
      await batch.finish()
      return outcome
    })
  } finally {
    await watch.stop?.()
  }
}

/** Beforehand and with nothing in hand: the step itself waits only for the first of its locks. */
async function moveAutovacuum(
  session: Session,
  { table, settings }: { readonly table: TableName; readonly settings: Sql },
): Promise<void> {
  try {
    await session.transaction(async () => {
      for (const statement of [settings, hurryAutovacuum, waitForAutovacuum(table)])
        await session.query(toText(statement))
    })
  } catch (error) {
    // Where the table is not free even so, or not ours to lock, the step finds out by itself.
    if (sqlStateOf(error) === undefined) throw error
  }
}

async function runActions(
  batch: StatementBatch,
  actions: readonly Action[],
  attempt: Attempt,
): Promise<StepsOutcome> {
  let outcome: StepsOutcome = { rowsMoved: 0 }
  for (const action of actions) {
    if (action.kind === 'execute') {
      await batch.add(toText(action.sql))
      continue
    }
    if (action.kind === 'locks') {
      outcome = merged(outcome, await runActions(batch, action.take(attempt.number), attempt))
      continue
    }
    const row = await batch.ask(toText(action.ask))
    if (action.kind === 'guard') {
      const refusal = action.check(row)
      if (refusal) throw new StepRefused(refusal)
      continue
    }
    const made = action.make(row ?? {})
    if ('code' in made) throw new StepRefused(made)
    outcome = merged(merged(outcome, await runActions(batch, made, attempt)), {
      rowsMoved: action.rows?.(row ?? {}) ?? 0,
      ...oidIn(action.oid?.(row ?? {})),
      ...(action.measured && { measured: action.measured(row ?? {}) }),
    })
  }
  return outcome
}

function oidIn(oid: string | undefined): { readonly oid?: string } {
  return oid === undefined ? {} : { oid }
}

/**
 * Runs a statement that cannot be in a transaction, while a second connection keeps its table's name on that table.
 *
 * DETACH CONCURRENTLY finds its table by name. Between our look and its own, the table could be swapped for another;
 * an ACCESS SHARE lock held elsewhere forbids that and lets the first phase of the detach through. It is let go once
 * the detach is pending, because the second phase waits for it. From then on it is watched: it waits for readers of the
 * partition without a limit, and whoever comes to wait behind it is let through.
 */
async function runCommand(
  step: CommandStep,
  { client, course }: Ladder,
  attempt: Attempt,
): Promise<'done' | 'gave way'> {
  const { signal } = attempt
  // Aborting it cancels the statement and has the connection closed, with whatever is still set in it.
  const spoiled = new AbortController()
  const either = AbortSignal.any([signal, spoiled.signal])
  return withConnection(client, { signal: either }, async (session) => {
    if (session.isPooled) {
      throw new ServerUnsupportedError(
        `Cannot ${step.label} concurrently through a pooler: its timeouts cannot be turned off there for one statement, and cut short it would stay half-done. Connect to the server itself, or set detachMode to 'blocking'.`,
      )
    }
    const command = new RunningCommand(session, step)
    try {
      if (client.capabilities.concurrentSessions) {
        await withConnection(client, { signal }, (pin) =>
          pin.transaction(async () => {
            await lockAndCheck(pin, step)
            // Cut short, it stays pending: tried again it would be refused, and it is the next plan that finishes it.
            attempt.noMore()
            course?.begin()
            await command.start()
            await command.untilPending(pin)
          }),
        )
      } else {
        // A client with one session has nobody beside it who could swap the table.
        await session.transaction(() => lockAndCheck(session, step))
        attempt.noMore()
        course?.begin()
        await command.start()
      }
    } catch (error) {
      if (!command.isStarted) {
        // What was set for it may be set still.
        spoiled.abort(error)
        throw error
      }
      if (!command.isPending) {
        // The name is not kept any more, and the statement may not have looked it up yet.
        spoiled.abort(error)
        await command.outcome()
        throw error
      }
    }
    const pendingSince = performance.now()
    const unwatch = command.isPending ? await attempt.watch(session.pid, { waits: true }) : undefined
    const { error } = await command.outcome()
    await unwatch?.()
    const waitedMs = performance.now() - pendingSince
    if (unwatch && waitedMs >= worthTellingMs) course?.waited({ durationMs: waitedMs })
    if (error !== undefined && attempt.signal.reason instanceof GaveWay) return 'gave way'
    try {
      await session.query(toText(step.after))
    } catch (cause) {
      spoiled.abort(cause)
    }
    if (error !== undefined) throw error
    return 'done'
  })
}

/** What a detach takes with nobody in its way is not told as a wait. */
const worthTellingMs = 200

async function lockAndCheck(session: Session, step: CommandStep): Promise<void> {
  await session.query(toText(step.pin.settings))
  await session.query(toText(step.pin.lock))
  const refusal = step.pin.check.check((await session.query(toText(step.pin.check.ask))).rows[0])
  if (refusal) throw new StepRefused(refusal)
  const { ask, check } = step.pin.others
  const old = check((await session.query(toText(ask))).rows)
  if (old !== undefined) throw new NotNow(old.reason, old.holders)
}

interface Settled {
  readonly error: unknown
}

/** A statement on its way, beside which other things are done. */
class RunningCommand {
  readonly #session: Session
  readonly #step: CommandStep
  #running: Promise<Settled> | undefined
  #pending = false

  constructor(session: Session, step: CommandStep) {
    this.#session = session
    this.#step = step
  }

  get isStarted(): boolean {
    return this.#running !== undefined
  }

  /** The statement has found its table, whatever its name becomes. */
  get isPending(): boolean {
    return this.#pending
  }

  async start(): Promise<void> {
    await this.#session.query(toText(this.#step.before))
    await this.#watch()
    this.#running = this.#session.query(toText(this.#step.statement)).then(
      () => ({ error: undefined }),
      (error: unknown) => ({ error: error ?? new Error('The statement failed.') }),
    )
  }

  async #watch(): Promise<void> {
    try {
      await this.#session.query(toText(this.#step.watch))
    } catch (error) {
      if (!hasSqlState(error, 'invalidParameterValue')) throw error
    }
  }

  async outcome(): Promise<Settled> {
    return (await this.#running) ?? { error: new Error('The statement was not sent.') }
  }

  /** PostgreSQL tells nobody that a detach has become pending, so the flag is looked at until it has, or it is over. */
  async untilPending(pin: Session): Promise<void> {
    const over = this.outcome().then(() => 'over' as const)
    for (;;) {
      const { rows } = await pin.query(toText(this.#step.pin.isPending))
      this.#pending = rows[0]?.['pending'] === 'true'
      if (this.#pending || (await Promise.race([over, sleep(5)])) === 'over') return
    }
  }
}
