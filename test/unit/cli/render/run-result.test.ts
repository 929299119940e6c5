import { describe, expect, it } from 'vitest'
import { renderRun, summarizeRuns } from '../../../../src/cli/render/run-result.ts'
import { plainPage } from '../../../../src/cli/render/style.ts'
import type { OperationOutcome } from '../../../../src/index.ts'
import { configOf, resultOf } from '../../../support/cli-views.ts'

function outcome(
  kind: OperationOutcome['kind'],
  name: string,
  more: Partial<OperationOutcome>,
): OperationOutcome {
  const partition = { schema: 'app', name }
  return { id: `${kind} app.${name}`, kind, partition, status: 'done', durationMs: 12, ...more }
}

function render(
  result: Parameters<typeof renderRun>[0]['result'],
  more: { locked?: boolean; quiet?: boolean } = {},
): string {
  return renderRun({ config: configOf(), result, locked: false, quiet: false, ...more }, plainPage).join('\n')
}

const issue = (name: string, tried: string, age: string) =>
  ({
    step: 'detach',
    severity: 'error',
    partition: { schema: 'app', name },
    message: `app.events: cannot detach app.${name}: pid 7 (x, transaction open for ${age} s) holds ACCESS SHARE on app.events${tried}.`,
  }) as const

describe('what a run did, for people', () => {
  it('is each operation with its status and time, then what went wrong', () => {
    const text = render(
      resultOf({
        success: false,
        operations: [
          outcome('create', 'a', { rowsMoved: 1_204 }),
          outcome('create', 'b', { status: 'raced', durationMs: 1_400 }),
          outcome('detach', 'c', { status: 'refused', durationMs: 80_000 }),
          outcome('drop', 'd', { status: 'failed' }),
          outcome('drop', 'e', { status: 'not-run', durationMs: 0, message: 'the run ended before it' }),
        ],
        issues: [
          { step: 'detach', severity: 'error', message: 'app.events: cannot detach app.c: it moved.' },
          { step: 'hook', severity: 'warning', message: 'afterCreate failed.' },
        ],
        error: 'app.events: cannot drop app.d: no.',
      }),
    )
    expect(text).toBe(`app.events  range (created_at) by month  create-ahead 3  keep 2  drop at once

  1  create  a  done             12 ms       moved 1,204 rows out of DEFAULT
  2  create  b  done by another  1.4 s
  3  detach  c  refused          1 min 20 s
  4  drop    d  failed           12 ms
  5  drop    e  not-run                      the run ended before it

  error  app.events: cannot detach app.c: it moved.

  warning  afterCreate failed.

  error  app.events: cannot drop app.d: no.
`)
  })

  it('tells what was withheld from what was not run for another reason', () => {
    const result = resultOf({
      operations: [
        outcome('detach', 'a', { status: 'withheld', message: 'it was not allowed' }),
        outcome('detach', 'b', { status: 'not-run', message: 'the run ended before it' }),
      ],
      withheldCount: 1,
    })
    expect(render(result)).toMatch(/detach {2}a {2}withheld\n/)
    expect(render(result)).toMatch(/detach {2}b {2}not-run +the run ended before it\n/)
  })

  it('gives a long reason once where the operation before it was not tried for the same', () => {
    const message = `it was not tried: ${'the time was used up '.repeat(4)}`.trim()
    const notTried = { status: 'not-run', message } as const
    const text = render(
      resultOf({
        operations: [
          outcome('detach', 'a', notTried),
          outcome('detach', 'b', notTried),
          outcome('drop', 'c', { status: 'not-run', message: 'its detach did not happen' }),
          outcome('detach', 'd', notTried),
        ],
      }),
    )
    expect(text.match(/it was not tried/g)).toHaveLength(2)
    expect(text).toMatch(/detach {2}b {2}not-run\s+for the same reason\n/)
  })

  it('leaves out what is only good to know where it is to be quiet', () => {
    const about = { message: 'It is so.', next: 'Nothing.' } as const
    const findings = [
      { ...about, code: 'orphan-kept', severity: 'info' },
      { ...about, code: 'rows-in-default', severity: 'warning' },
    ] as const
    const text = render(resultOf({ findings }), { quiet: true })
    expect(text).toContain('rows-in-default')
    expect(text).not.toContain('orphan-kept')
    expect(render(resultOf({ findings }))).toContain('orphan-kept')
  })

  it('says what ended the run once, and that another maintainer is no error', () => {
    const message = 'app.events: cannot create app.a: a lock was not free.'
    const text = render(
      resultOf({ success: false, error: message, issues: [{ step: 'create', severity: 'error', message }] }),
    )
    expect(text.match(/a lock was not free/g)).toHaveLength(1)
    expect(render(resultOf({ success: false, error: 'Another holds it.' }), { locked: true })).toContain(
      '  locked  Another holds it.',
    )
  })

  it('says a grave finding once, although it is an issue of the run as well', () => {
    const finding = {
      code: 'key-mismatch',
      severity: 'error',
      message: 'Wrong key.',
      next: 'Set it.',
    } as const
    const text = render(
      resultOf({
        success: false,
        findings: [finding],
        issues: [{ step: 'plan', severity: 'error', message: 'Wrong key. Set it.' }],
      }),
    )
    expect(text.match(/Wrong key\./g)).toHaveLength(1)
    expect(text).toContain('error  key-mismatch')
  })

  it('says what an operation waited for, in words where it went well', () => {
    const who = { pid: 4711, application: 'dashboard', state: 'idle in transaction' }
    const waited = { gaveWayCount: 0, durationMs: 41_100, inTheWay: [who] }
    const done = outcome('detach', 'a', { durationMs: 41_200, waited })
    const result = resultOf({ operations: [done] })
    expect(render(result).replaceAll(/\s+/g, ' ')).toContain(
      'detach a done 41.2 s 41.1 s of it waiting for pid 4711 (dashboard)',
    )
    const vague = { gaveWayCount: 2, durationMs: 300, inTheWay: [] }
    const more = [outcome('create', 'b', { rowsMoved: 2, waited: vague })]
    expect(render(resultOf({ operations: more })).replaceAll(/\s+/g, ' ')).toContain(
      'moved 2 rows out of DEFAULT; 300 ms of it waiting for locks, gave way 2 times',
    )
    const several = [1, 2, 3, 4].map((pid) => ({ pid }))
    const once = { gaveWayCount: 1, durationMs: 90, inTheWay: several }
    expect(render(resultOf({ operations: [outcome('drop', 'c', { waited: once })] }))).toContain(
      'waiting for pid 1, pid 2, pid 3 and 1 more, gave way once',
    )
    expect(
      render(resultOf({ operations: [outcome('drop', 'c', { status: 'failed', waited })] })),
    ).not.toContain('waiting')
  })

  it('says what went wrong with several partitions in the same way once', () => {
    const issues = [issue('a', ', 18 times', '9.5'), issue('b', '', '24'), issue('c', '', '25')]
    const text = render(resultOf({ success: false, issues }))
    expect(text.match(/ {2}error {2}/g)).toHaveLength(1)
    expect(text.replaceAll(/\s+/g, ' ')).toContain(
      ', 18 times. The same is true of app.b and app.c, each with its own time.',
    )
  })

  it('is one quiet line where there was nothing to do, and sums up several tables', () => {
    expect(render(resultOf())).toContain('  Nothing to do.')
    expect(summarizeRuns([resultOf()])).toBe('Nothing was changed.')
    expect(
      summarizeRuns([
        resultOf({ createdCount: 1, droppedCount: 2 }),
        resultOf({ createdCount: 2, attachedCount: 1, finalizedCount: 1, detachedCount: 1 }),
      ]),
    ).toBe('Created 3, attached 1, finalized 1, detached 1, dropped 2.')
  })
})
