import type { TableName } from '../model/table-name.ts'
import { hurryAutovacuum, waitForAutovacuum } from '../sql/blockers.ts'
import { endWhenIdle } from '../sql/session-limits.ts'
import type { Sql } from '../sql/sql.ts'
import { toText } from '../sql/sql.ts'
import type { Action, RepeatStep, Step, TableMeasure, TransactionStep } from '../sql/statement.ts'
import type { Attempt, Ladder } from './lock-ladder.ts'
import { tryUntilFree } from './lock-ladder.ts'
import type { Watching } from './lock-watch.ts'
import { runCommand } from './pinned-command.ts'
import type { Session } from './session.ts'
import { longestSilenceMs, withConnection } from './session.ts'
import { sqlStateOf } from './sql-state.ts'
import { StatementBatch } from './statement-batch.ts'
import { StepRefused } from './step-refused.ts'

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
    outcome = merged(outcome, await tryUntilFree(own, (attempt) => runStep(step, ladder, attempt)))
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
  { client, budget }: Ladder,
  attempt: Attempt,
): Promise<Partial<StepsOutcome>> {
  const { signal } = attempt
  const silenceMs = longestSilenceMs + budget.statementTimeoutMs
  switch (step.kind) {
    case 'transaction':
      return withConnection(client, { signal, silenceMs }, (session) =>
        runTransaction(session, step, attempt),
      )
    case 'repeat':
      await withConnection(client, { signal, silenceMs }, (session) => runRepeatedly(session, step, attempt))
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
  let watching: Watching | undefined
  for (const table of attempt.vacuumed) await moveAutovacuum(session, { table, settings: step.settings })
  try {
    return await session.transaction(async () => {
      // Through a pooler, which session it is shows only in the transaction.
      watching = await attempt.watch(session)
      try {
        const batch = new StatementBatch(session)
        await batch.add(toText(step.settings))
        if (attempt.idleMs !== undefined) await batch.add(toText(endWhenIdle(attempt.idleMs)))
        const outcome = await runActions(batch, step.actions, attempt)
        await batch.finish()
        return outcome
      } finally {
        // After the transaction it serves somebody else.
        if (session.isPooled) await watching.spare()
      }
    })
  } finally {
    await watching?.stop()
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
