import { describe, expect, it } from 'vitest'
import { renderMetrics } from '../../../../src/cli/render/metrics.ts'
import type { MaintenanceResult, TableInspection } from '../../../../src/index.ts'
import { dropOf, events, infoOf, inspectionOf, planOf, resultOf } from '../../../support/cli-views.ts'

describe('metrics', () => {
  it('have help and type once, every series of a table that was seen, and escaped labels', () => {
    const odd = { schema: 'app', name: 'back\\slash "quote"\nline' }
    const text = renderMetrics({
      command: 'plan',
      timestamp: 1_773_576_000.5,
      exitCode: 2,
      tables: [
        { table: events, up: true, plan: planOf({ operations: [dropOf('a'), dropOf('b')] }) },
        { table: odd, up: false },
      ],
    })
    expect(text).toBe(`# HELP pg_partsmith_up Whether the table could be read (1) or not (0).
# TYPE pg_partsmith_up gauge
pg_partsmith_up{table="app.events"} 1
pg_partsmith_up{table="app.\\"back\\\\slash \\"\\"quote\\"\\"\\nline\\""} 0
# HELP pg_partsmith_pending_operations Operations that are due now and were not carried out, also those that wait for a pending detach.
# TYPE pg_partsmith_pending_operations gauge
pg_partsmith_pending_operations{table="app.events",kind="create"} 0
pg_partsmith_pending_operations{table="app.events",kind="attach"} 0
pg_partsmith_pending_operations{table="app.events",kind="finalize"} 0
pg_partsmith_pending_operations{table="app.events",kind="detach"} 0
pg_partsmith_pending_operations{table="app.events",kind="drop"} 2
pg_partsmith_pending_operations{table="app.events",kind="unmark"} 0
pg_partsmith_pending_operations{table="app.events",kind="readmit"} 0
# HELP pg_partsmith_findings Things about the table that are not as wanted.
# TYPE pg_partsmith_findings gauge
pg_partsmith_findings{table="app.events",severity="error"} 0
pg_partsmith_findings{table="app.events",severity="warning"} 0
pg_partsmith_findings{table="app.events",severity="info"} 0
# HELP pg_partsmith_exit_code What the command told the shell.
# TYPE pg_partsmith_exit_code gauge
pg_partsmith_exit_code{command="plan"} 2
# HELP pg_partsmith_run_timestamp_seconds When the command ran.
# TYPE pg_partsmith_run_timestamp_seconds gauge
pg_partsmith_run_timestamp_seconds{command="plan"} 1773576000.5
`)
  })

  it('say of each table that was run whether another run held its lock', () => {
    const text = renderMetrics({
      command: 'maintain',
      timestamp: 1,
      exitCode: 0,
      tables: [
        { table: events, up: true, result: resultOf({}), locked: true },
        { table: { schema: 'app', name: 'b' }, up: true, result: resultOf({}) },
        { table: { schema: 'app', name: 'c' }, up: false },
      ],
    })
    expect(text.match(/^pg_partsmith_locked.*$/gm)).toEqual([
      'pg_partsmith_locked{table="app.events"} 1',
      'pg_partsmith_locked{table="app.b"} 0',
    ])
  })

  it('have no control character of a name in them, which could rewrite what a terminal shows', () => {
    const odd = { schema: 'app', name: 'a\u001b[2Jb\tc\rd\u009b\u0007' }
    const text = renderMetrics({
      command: 'plan',
      timestamp: 1,
      exitCode: 2,
      tables: [{ table: odd, up: false }],
    })
    expect(text).toContain('\\\\u{1b}[2Jb')
    expect(text).not.toMatch(/[^\P{Cc}\n]/u)
    expect(text.split('\n').filter((line) => line.startsWith('pg_partsmith_up{'))).toHaveLength(1)
  })

  it('know the runway, no runway, and one without an end', () => {
    expect(seen(inspectionOf([]))).toContain('runway_seconds{table="app.events"} 4017600\n')
    expect(seen(inspectionOf([], { runway: undefined }))).toContain('runway_seconds{table="app.events"} 0\n')
    expect(seen(inspectionOf([], { runway: { until: 'infinity', microseconds: 'infinity' } }))).toContain(
      'runway_seconds{table="app.events"} +Inf\n',
    )
    const old = { ...infoOf('detached', 'a'), detachedAt: '2026-03-15T12:00:00Z' }
    const unreadable = { ...infoOf('detached', 'b'), detachedAt: 'yesterday' }
    const text = seen(inspectionOf([old, unreadable, infoOf('detached', 'c')]))
    expect(text).toContain('detached_partitions{table="app.events"} 3\n')
    expect(text).toContain('oldest_detached_age_seconds{table="app.events"} 30\n')
  })

  it('have the server and the database on every series, where two can have a table of one name', () => {
    const text = renderMetrics({
      command: 'inspect',
      timestamp: 1,
      exitCode: 0,
      tables: [{ table: events, up: true, inspection: inspectionOf([]) }],
      database: { host: '::1', port: 5432, name: 'shop "b"' },
    })
    const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
    for (const line of samples) expect(line).toContain('{server="[::1]:5432",database="shop \\"b\\"",')
    expect(samples).not.toEqual([])
  })

  it('have the rows in DEFAULT: none without one, and no figure where they were not counted', () => {
    const rows = { relation: events, share: 1, periods: [], withoutKey: 0, infinite: 0, rows: 7 }
    const defaultRows = { ...rows, counted: 'exactly' } as const
    expect(seen(inspectionOf([], { hasDefault: true, defaultRows }))).toContain(
      'default_rows{table="app.events"} 7\n',
    )
    expect(seen(inspectionOf([], { hasDefault: false }))).toContain('default_rows{table="app.events"} 0\n')
    const unknown = { relation: events, counted: 'not', why: 'No.' } as const
    expect(seen(inspectionOf([], { hasDefault: true, defaultRows: unknown }))).not.toContain('default_rows')
    expect(seen(inspectionOf([], { hasDefault: true }))).not.toContain('default_rows')
  })

  it('count what waits for a pending detach as pending, too', () => {
    const text = renderMetrics({
      command: 'plan',
      timestamp: 1,
      exitCode: 2,
      tables: [
        {
          table: events,
          up: true,
          plan: { ...planOf({ operations: [dropOf('a')] }), waiting: [dropOf('b'), dropOf('c')] },
        },
      ],
    })
    expect(text).toContain('pending_operations{table="app.events",kind="drop"} 3\n')
  })

  it('count how often a run gave way, and how long it waited in all', () => {
    const operation = { id: 'i', kind: 'detach', partition: events, status: 'done', durationMs: 1 } as const
    const waited = (gaveWayCount: number, durationMs: number) => ({
      ...operation,
      waited: { gaveWayCount, durationMs, inTheWay: [] },
    })
    const text = renderMetrics({
      command: 'maintain',
      timestamp: 1,
      exitCode: 0,
      tables: [
        {
          table: events,
          up: true,
          result: resultOf({ operations: [waited(2, 1_500), operation, waited(0, 250)] }),
        },
      ],
    })
    expect(text).toContain('gave_way{table="app.events"} 2\n')
    expect(text).toContain('waited_seconds{table="app.events"} 1.75\n')
  })

  it('label what was done as what is pending is labelled: by kind', () => {
    const done = { id: 'i', kind: 'detach', partition: events, status: 'done', durationMs: 1 } as const
    const text = renderMetrics({
      command: 'maintain',
      timestamp: 1,
      exitCode: 0,
      tables: [{ table: events, up: true, result: resultOf({ operations: [done] }) }],
    })
    expect(text).toContain('applied_operations{table="app.events",kind="detach"} 1\n')
    expect(text).not.toContain('operation="')
  })

  it('count what ended a run as an issue, once', () => {
    const issue = { step: 'create', severity: 'error', message: 'It failed.' } as const
    expect(issues({ error: 'Gone.' })).toContain('issues{table="app.events"} 1\n')
    expect(issues({ error: 'It failed.', issues: [issue] })).toContain('issues{table="app.events"} 1\n')
    expect(issues({ error: 'Gone.', issues: [issue] })).toContain('issues{table="app.events"} 2\n')
  })
})

function seen(inspection: TableInspection): string {
  return renderMetrics({
    command: 'inspect',
    timestamp: 0,
    exitCode: 0,
    tables: [{ table: events, up: true, inspection }],
  })
}

function issues(result: Partial<MaintenanceResult>): string {
  return renderMetrics({
    command: 'apply',
    timestamp: 0,
    exitCode: 3,
    tables: [{ table: events, up: true, result: resultOf(result) }],
  })
}
