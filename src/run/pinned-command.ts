import { setTimeout as sleep } from 'node:timers/promises'

import { ServerUnsupportedError } from '../errors.ts'
import { cancelSession, readWaiting, waitingWhilePinned } from '../sql/blockers.ts'
import { endWhenIdle } from '../sql/session-limits.ts'
import { toText } from '../sql/sql.ts'
import type { CommandStep } from '../sql/statement.ts'
import { GaveWay, isEndedEarly, NotNow } from './gave-way.ts'
import type { Attempt, Ladder } from './lock-ladder.ts'
import { sessionsWaited } from './lock-watch.ts'
import type { Session } from './session.ts'
import { withConnection } from './session.ts'
import { hasSqlState } from './sql-state.ts'
import { StatementBatch } from './statement-batch.ts'
import { StepRefused, WrongTable } from './step-refused.ts'
import { within } from './within.ts'

/**
 * Runs a statement that cannot be in a transaction, while a second connection keeps its table's name on that table.
 *
 * DETACH CONCURRENTLY finds its table by name. Between our look and its own, the table could be swapped for another;
 * an ACCESS SHARE lock held elsewhere forbids that and lets the first phase of the detach through. It is let go once
 * the detach is pending, because the second phase waits for it. Until then, what is cancelled leaves nothing behind and
 * is tried again. From then on it is watched: it waits for readers of the partition without a limit, and whoever comes
 * to wait behind it is let through.
 */
export async function runCommand(
  step: CommandStep,
  ladder: Ladder,
  attempt: Attempt,
): Promise<'done' | 'gave way'> {
  const { client, course } = ladder
  // Aborting it cancels the statement and has the connection closed, with whatever is still set in it.
  const spoiled = new AbortController()
  const signal = AbortSignal.any([attempt.signal, spoiled.signal])
  return withConnection(client, { signal }, async (session) => {
    if (session.isPooled) {
      throw new ServerUnsupportedError(
        `Cannot ${step.label} concurrently through a pooler: its timeouts cannot be turned off there for one statement, and cut short it would stay half-done. Connect to the server itself, or set detachMode to 'blocking'.`,
      )
    }
    const command = new RunningCommand(session, step)
    let isPutBack = false
    try {
      await command.prepare()
      if (client.capabilities.concurrentSessions) {
        await startPinned(command, { step, ladder, attempt, spoiled }).catch((error: unknown) => {
          // Once it is pending the pin has done its work, however it ends.
          if (!command.isPending) throw error
        })
      } else {
        // A client with one session has nobody beside it who could swap the table, or be in the way.
        await session.transaction(() => lockAndCheck(session, step, attempt))
        attempt.noMore()
        course?.begin()
        command.start()
      }
      const pendingSince = performance.now()
      const watching = command.isPending ? await attempt.watch(session, { waits: true }) : undefined
      const { error } = await command.outcome()
      await watching?.stop()
      const waitedMs = performance.now() - pendingSince
      if (watching && waitedMs >= worthTellingMs) course?.waited({ durationMs: waitedMs })
      isPutBack = await putBack(session, step)
      if (!isPutBack) spoiled.abort()
      if (error !== undefined) throw error
      if (isPutBack) await expectDetached(session, step)
      return 'done'
    } catch (error) {
      // What was set for it may be set still.
      if (!isPutBack) spoiled.abort(error)
      const outcome = command.isStarted ? await command.outcome() : undefined
      const standing = command.isPending || !outcome ? undefined : await standingNow(step, ladder)
      // It came to its end before it could be cancelled, and it was the right table.
      if (outcome && outcome.error === undefined && standing === 'detached') return 'done'
      const isPending = command.isPending || standing === 'pending'
      // Cut short, it stays pending: tried again it would be refused, and it is finished here or by the next plan.
      if (isPending) attempt.noMore()
      // What could not be found out may have begun.
      if (isPending || (outcome && standing === undefined)) course?.begin()
      if (isPending && mayGoOn(attempt.signal.aborted ? attempt.signal.reason : error)) return 'gave way'
      throw error
    }
  })
}

/** Nothing keeps a schema from being renamed, and the statement finds its table by name. */
async function expectDetached(session: Session, step: CommandStep): Promise<void> {
  const { rows } = await session.query(toText(step.pin.isPending))
  if (rows.length > 0) throw new WrongTable(`another table than that was detached: ${step.label}`)
}

/** What a detach takes with nobody in its way is not told as a wait. */
const worthTellingMs = 200

function mayGoOn(error: unknown): boolean {
  return isEndedEarly(error) || hasSqlState(error, 'idleInTransactionSessionTimeout', 'deadlockDetected')
}

async function putBack(session: Session, step: CommandStep): Promise<boolean> {
  try {
    await session.query(toText(step.after))
    return true
  } catch {
    return false
  }
}

interface CommandRun {
  readonly step: CommandStep
  readonly ladder: Ladder
  readonly attempt: Attempt
  readonly spoiled: AbortController
}

/** Starts it under the pin, and resolves when it is pending, or over. */
async function startPinned(
  command: RunningCommand,
  { step, ladder, attempt, spoiled }: CommandRun,
): Promise<void> {
  await withConnection(ladder.client, { signal: attempt.signal }, (pin) =>
    pin.transaction(async () => {
      await lockAndCheck(pin, step, attempt)
      try {
        command.start()
        await command.untilPending(pin, ladder.budget.lockTimeoutMs)
        if (command.isPending) {
          attempt.noMore()
          ladder.course?.begin()
        }
      } catch (error) {
        // While the name is kept: the statement may not have looked it up yet.
        await command.cancelFrom(pin)
        spoiled.abort(error)
        await command.outcome()
        throw error
      }
    }),
  )
}

/** It may have become pending, or come to its end, in the moment in which it was cancelled, be it because the run is stopped. */
async function standingNow(
  step: CommandStep,
  { client }: Ladder,
): Promise<'attached' | 'pending' | 'detached' | undefined> {
  // The one session is in hand.
  if (!client.capabilities.concurrentSessions) return 'pending'
  try {
    const look = withConnection(client, {}, (session) => session.query(toText(step.pin.isPending)))
    const { rows } = await within(look, { ms: standingMs, what: 'answer about the detach' })
    return rows[0] === undefined ? 'detached' : rows[0]['pending'] === 'true' ? 'pending' : 'attached'
  } catch {
    // Then the next plan finds out.
    return undefined
  }
}

/** In few messages: others may come to wait for it before the statement is on its way. */
async function lockAndCheck(session: Session, step: CommandStep, { idleMs }: Attempt): Promise<void> {
  const { settings, lock, check, others } = step.pin
  const batch = new StatementBatch(session)
  await batch.add(toText(settings))
  if (idleMs !== undefined) await batch.add(toText(endWhenIdle(idleMs)))
  await batch.add(toText(lock))
  const refusal = check.check(await batch.ask(toText(check.ask)))
  if (refusal) throw new StepRefused(refusal)
  const old = others.check((await session.query(toText(others.ask))).rows)
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

  async prepare(): Promise<void> {
    await this.#session.query(toText(this.#step.before))
    await this.#watch()
  }

  start(): void {
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

  /**
   * PostgreSQL tells nobody that a detach has become pending, so the flag is looked at until it has, or it is over.
   *
   * Whoever waits behind the pin, or behind the statement, may be the one that the statement waits for. The server cannot
   * see such a deadlock, because one end of it is here. So the wait has the limit of every other.
   */
  async untilPending(pin: Session, mostMs: number): Promise<void> {
    const over = this.outcome().then(() => 'over' as const)
    const question = toText(
      waitingWhilePinned(this.#step.pin.isPending, { pin: pin.pid, command: this.#session.pid }),
    )
    for (;;) {
      const row = (await pin.query(question)).rows[0]
      this.#pending = row?.['pending'] === 'true'
      if (this.#pending) return
      const { waiting, longestMs, ownMs, blockers } = readWaiting(row)
      if (waiting > 0 && longestMs + pollMs >= mostMs) {
        throw new GaveWay(sessionsWaited(waiting, longestMs), { blockers })
      }
      if (ownMs >= mostMs) throw new NotNow(`a lock was not free within ${mostMs} ms, so it gave way`, [])
      if ((await Promise.race([over, sleep(pollMs)])) === 'over') return
    }
  }

  /** Without a new connection, which takes long to open when many wait. */
  async cancelFrom(pin: Session): Promise<void> {
    if (!this.isStarted) return
    try {
      await pin.query(toText(cancelSession(this.#session.pid)))
      await Promise.race([this.outcome(), sleep(cancelledMs)])
    } catch {
      // It is cancelled otherwise.
    }
  }
}

const pollMs = 5
const standingMs = 2_000
const cancelledMs = 250
