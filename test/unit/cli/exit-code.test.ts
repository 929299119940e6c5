import { DatabaseError } from 'pg'
import { describe, expect, it } from 'vitest'
import { CommandError } from '../../../src/cli/command-error.ts'
import { exitCodes, worstOf } from '../../../src/cli/exit-code.ts'
import { exitCodeOfError, exitCodeOfFindings, exitCodeOfRun } from '../../../src/cli/failure-code.ts'
import { failureOf, sentenceOf } from '../../../src/cli/failure.ts'
import { StoppedBySignal } from '../../../src/cli/stop-signal.ts'
import {
  ConnectionFailedError,
  HookRefusedError,
  InvalidPartitionConfigError,
  LockAcquisitionError,
  PartitionNotFoundError,
  PlanMismatchError,
  PlanStaleError,
  PlanUnreadableError,
  RunAbortedError,
  ServerUnsupportedError,
  StatementFailedError,
} from '../../../src/index.ts'
import { resultOf } from '../../support/cli-views.ts'

const heldFor = (heldForMs: number): LockAcquisitionError => new LockAcquisitionError('x', { heldForMs })
const gate = { okIfLocked: false, gated: false }

describe('exit codes', () => {
  it.each([
    [new InvalidPartitionConfigError('x'), 4],
    [new PlanUnreadableError('x'), 4],
    [new PlanMismatchError('x'), 4],
    [new PartitionNotFoundError('x'), 4],
    [new ConnectionFailedError('x'), 5],
    [new ServerUnsupportedError('x'), 5],
    [new LockAcquisitionError('x'), 6],
    [new PlanStaleError('x'), 3],
    [new HookRefusedError('x'), 3],
    [new StatementFailedError('x', { code: 'access-denied', sqlState: '42501' }), 3],
    // What the server refuses and no sentence of ours foresees is as unexpected as any other.
    [new DatabaseError('x', 1, 'error'), 1],
    [new RunAbortedError('x'), 3],
    [new StoppedBySignal('SIGINT'), 130],
    [new StoppedBySignal('SIGTERM'), 143],
    [new CommandError('x', { exitCode: 64, code: 'usage' }), 64],
    [new Error('x'), 1],
    ['x', 1],
  ])('come from what went wrong: %o is %i', (error, code) => {
    expect(exitCodeOfError(error)).toBe(code)
  })

  it('of several tables are the one that matters most: 3 outranks 2, a signal outranks everything', () => {
    expect(worstOf([])).toBe(0)
    expect(worstOf([0, 2, 0])).toBe(2)
    expect(worstOf([2, 3, 0])).toBe(3)
    expect(worstOf([2, 6])).toBe(6)
    expect(worstOf([6, 3])).toBe(3)
    expect(worstOf([3, 5])).toBe(5)
    expect(worstOf([5, 4])).toBe(4)
    expect(worstOf([4, 1])).toBe(1)
    expect(worstOf([1, 143, 2])).toBe(143)
    expect(new Set(exitCodes.map(({ code }) => code)).size).toBe(10)
  })

  it('need a person for findings, but not for those that are only good to know', () => {
    const finding = { code: 'orphan-kept', message: 'm', next: 'n' } as const
    expect(exitCodeOfFindings([])).toBe(0)
    expect(exitCodeOfFindings([{ ...finding, severity: 'info' }])).toBe(0)
    expect(exitCodeOfFindings([{ ...finding, severity: 'warning' }])).toBe(3)
    expect(exitCodeOfFindings([{ ...finding, severity: 'error' }])).toBe(3)
  })

  it('of a run come from its issues, refusals, findings and what was withheld', () => {
    const refused = {
      id: 'i',
      kind: 'drop',
      partition: { schema: 'a', name: 'b' },
      status: 'refused',
      durationMs: 0,
    } as const
    expect(exitCodeOfRun(resultOf(), undefined, gate)).toBe(0)
    expect(exitCodeOfRun(resultOf({ withheldCount: 2 }), undefined, { ...gate, gated: true })).toBe(2)
    // A drop whose detach was refused waits for the next run; nobody has to allow anything.
    expect(exitCodeOfRun(resultOf({ withheldCount: 2 }), undefined, gate)).toBe(0)
    expect(exitCodeOfRun(resultOf({ operations: [refused] }), undefined, gate)).toBe(3)
    const left = { ...refused, status: 'not-run' } as const
    expect(exitCodeOfRun(resultOf({ operations: [left] }), undefined, gate)).toBe(2)
    expect(exitCodeOfRun(resultOf({ operations: [refused, left] }), undefined, gate)).toBe(3)
    const warning = { step: 'hook', severity: 'warning', message: 'm' } as const
    expect(
      exitCodeOfRun(resultOf({ issues: [warning], withheldCount: 1 }), undefined, { ...gate, gated: true }),
    ).toBe(3)
    const locked = new LockAcquisitionError('x')
    expect(exitCodeOfRun(resultOf({ success: false }), locked, gate)).toBe(6)
    const tolerant = { ...gate, okIfLocked: true }
    expect(exitCodeOfRun(resultOf({ success: false }), locked, tolerant)).toBe(0)
    expect(exitCodeOfRun(resultOf({ success: false }), heldFor(3_599_999), tolerant)).toBe(0)
    expect(exitCodeOfRun(resultOf({ success: false }), heldFor(3_600_000), tolerant)).toBe(6)
    expect(exitCodeOfRun(resultOf({ success: false }), new StoppedBySignal('SIGTERM'), gate)).toBe(143)
  })
})

describe('a failure', () => {
  it('is a sentence, with a code and problems for programs, and without passwords', () => {
    const error = new InvalidPartitionConfigError('No: postgres://u:secret@h/d', {
      problems: [{ path: ['tables', 0], message: 'Bad: postgres://u:secret@h/d' }],
    })
    expect(failureOf(error)).toEqual({
      code: 'invalid-config',
      message: 'No: postgres://u:***@h/d',
      problems: [{ path: ['tables', 0], message: 'Bad: postgres://u:***@h/d' }],
    })
    expect(failureOf(new CommandError('Say it.', { exitCode: 4, code: 'file-exists' }))).toEqual({
      code: 'file-exists',
      message: 'Say it.',
    })
  })

  it('that nobody foresaw says so and asks for a report', () => {
    expect(failureOf(new TypeError('x is not a function')).code).toBe('unexpected')
    expect(sentenceOf(new TypeError('x is not a function'))).toBe(
      'Something unexpected happened: x is not a function. With --verbose the place in the program is shown; please report it.',
    )
    expect(sentenceOf(new AggregateError([new Error('a'), new Error('b')]))).toContain('a; b.')
    expect(sentenceOf(new Error(''))).toContain('Error.')
    expect(sentenceOf('text')).toContain('text.')
  })
})
