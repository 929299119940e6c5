import { describe, expect, it } from 'vitest'

import type { Surroundings } from '../../../scripts/docs/sample-plans.ts'
import { sampleOperation, serverFacts } from '../../../scripts/docs/sample-plans.ts'
import { operationKinds as kinds } from '../../../src/plan/operation.ts'
import { adoptSteps } from '../../../src/sql/adopt.ts'
import type { DdlContext } from '../../../src/sql/ddl-context.ts'
import { defaultBudget } from '../../../src/sql/lock-budget.ts'
import { takeBackProofSteps } from '../../../src/sql/prove-range.ts'
import { holdFast } from '../../../src/sql/settings.ts'
import { toText } from '../../../src/sql/sql.ts'
import { statements } from '../../../src/sql/statements.ts'
import type { Action, Row, Step, TransactionStep } from '../../../src/sql/statement.ts'

const context: DdlContext = {
  deadlockTimeoutMs: serverFacts.deadlockTimeoutMs,
  shortestDeadlockTimeoutMs: serverFacts.shortestDeadlockTimeoutMs,
  database: serverFacts.database,
  limits: defaultBudget,
  ddlTimezone: null,
  markerPrefix: 'pg-partsmith',
  dropAllowUnmanaged: false,
}

const surroundings: readonly Surroundings[] = [
  {},
  { default: true },
  { foreignKeys: true },
  { default: true, foreignKeys: true },
  { default: true, partitioned: true },
  { foreignKeys: true, partitioned: true },
  { default: true, foreignKeys: true, partitioned: true },
  { selfReferring: true },
]

/** What the server may answer to what the steps ask: the role has every right there, some, or none. */
const answers: readonly Row[] = [
  { may_loop: 'true', tables: rights('true') },
  { may_loop: 'false', tables: rights('true') },
  { may_loop: 'true', tables: null },
].map((row) => ({ ...row, name: 'fk', schema: 'app', table: 'accounts', oid: '1' }))

function rights(change: string): string {
  const names = ['events', 'events_default', 'accounts', 'notes', 'events__2026_01', 'events__2026_03']
  return JSON.stringify(names.map((name) => ({ schema: 'app', name, change, read: 'true' })))
}

function transactionsOf(step: Step, row: Row): readonly TransactionStep[] {
  switch (step.kind) {
    case 'transaction':
      return [step]
    case 'repeat':
      return [step.make(row)]
    case 'command':
      return [step.finish]
  }
}

/** The statements that are sent whatever is found, and those that lock. */
function sent(actions: readonly Action[], about: { attempt: number; row: Row }): readonly string[] {
  return actions.flatMap((action) => {
    if (action.kind === 'execute') return [toText(action.sql)]
    if (action.kind === 'locks') return sent(action.take(about.attempt), about)
    if (action.kind === 'guard' || !/LOCK TABLE/.test(action.describe)) return []
    const made = action.make(about.row)
    return 'code' in made ? [] : sent(made, about)
  })
}

const isLock = (text: string): boolean => text.includes('LOCK TABLE')
const doesNotWait = (text: string): boolean => /^(LOCK TABLE [^;]* NOWAIT$|DO '.*NOWAIT;)/s.test(text)

/** What is wrong with the order of the statements of a transaction. */
function faults(texts: readonly string[]): readonly string[] {
  const first = texts.findIndex(isLock)
  if (first === -1) return ['takes no lock before it works']
  const earlier = texts.slice(0, first).map((text) => `before the first lock: ${text}`)
  const wrongFirst = doesNotWait(texts[first] ?? '')
    ? [`the first lock is not waited for: ${texts[first]}`]
    : []
  const rest = texts.slice(first + 1)
  const notFast = rest[0] === toText(holdFast) ? [] : [`not set after the first lock: ${String(rest[0])}`]
  const waiting = rest.filter((text) => isLock(text) && !doesNotWait(text))
  return [
    ...earlier,
    ...wrongFirst,
    ...notFast,
    ...waiting.map((text) => `waits with a lock in hand: ${text}`),
  ]
}

function faultsOf(steps: readonly Step[]): readonly string[] {
  return answers.flatMap((row) =>
    steps.flatMap((step) =>
      transactionsOf(step, row).flatMap(({ label, actions }) =>
        [1, 2, 3, 4, 5, 6].flatMap((attempt) =>
          faults(sent(actions, { attempt, row })).map((fault) => `${label}, attempt ${attempt}: ${fault}`),
        ),
      ),
    ),
  )
}

describe('a transaction waits for no lock with a lock in hand', () => {
  for (const kind of kinds) {
    it.each(surroundings)(`${kind} beside %j`, (surrounding) => {
      const operation = sampleOperation(kind, surrounding)
      expect(faultsOf(statements(operation, context))).toEqual([])
    })
  }

  it('when the range is excluded from DEFAULT before', () => {
    for (const foreignKeys of [false, true]) {
      const operation = sampleOperation('create', { default: true, foreignKeys })
      expect(operation.kind).toBe('create')
      if (operation.kind !== 'create') continue
      const steps = statements(
        { ...operation, excludesFromDefault: { before: '2026-03-01T00:00:00Z' } },
        context,
      )
      expect(steps).toHaveLength(4)
      expect(faultsOf(steps)).toEqual([])
    }
  })

  it('when a table is adopted, and when a proof is taken back', () => {
    const table = { schema: 'app', name: 'old' }
    const adopted = adoptSteps(
      { parent: { schema: 'app', name: 'events' }, parentOid: '1', table, oid: '2' },
      context,
    )
    expect(faultsOf(adopted)).toEqual([])
    const operation = sampleOperation('attach')
    const takenBack = operation.kind === 'attach' ? takeBackProofSteps(operation, context) : []
    expect(takenBack).toHaveLength(1)
    expect(faultsOf(takenBack)).toEqual([])
  })
})

describe('each attempt', () => {
  it('begins with another of the tables, but never with the one that is new', () => {
    const [, step] = statements(sampleOperation('create', { default: true }), context)
    const actions = step?.kind === 'transaction' ? step.actions : []
    const row = answers[0] ?? {}
    expect([1, 2, 3].map((attempt) => sent(actions, { attempt, row }).find(isLock))).toEqual([
      'LOCK TABLE ONLY "app"."events" IN ACCESS EXCLUSIVE MODE',
      'LOCK TABLE ONLY "app"."events_default" IN ACCESS EXCLUSIVE MODE',
      'LOCK TABLE ONLY "app"."events" IN ACCESS EXCLUSIVE MODE',
    ])
  })
})
