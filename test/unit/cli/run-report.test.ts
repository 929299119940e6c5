import { describe, expect, it } from 'vitest'
import { renderRuns } from '../../../src/cli/render/fleet-run.ts'
import { styleFor } from '../../../src/cli/render/style.ts'
import {
  closingOfRuns,
  reportRuns,
  type RunTableReport,
  withoutPasswords,
} from '../../../src/cli/run-report.ts'
import { LockAcquisitionError, type MaintenanceResult, TablePartitionConfig } from '../../../src/index.ts'
import { resultOf } from '../../support/cli-views.ts'

const page = { columns: 10_000, style: styleFor(false) }
const table = { schema: 'app', name: 'events' }
const partition = { schema: 'app', name: 'old' }

function closing(result: MaintenanceResult, more: Partial<RunTableReport> = {}): string {
  const report: RunTableReport = {
    table,
    exitCode: 0,
    lines: () => [],
    fields: {},
    observed: { table, up: true },
    result,
    withheld: 0,
    locked: false,
    ...more,
  }
  return closingOfRuns({ reports: [report], tables: 1, saved: false })
}

const failed = (more: object): MaintenanceResult =>
  resultOf({
    success: false,
    operations: [
      { id: 'detach app.old', kind: 'detach', partition, status: 'failed', durationMs: 1, ...more },
    ],
  })

describe('the report about a table that another run is at work on', () => {
  const config = new TablePartitionConfig({
    tableName: 'events',
    partitionColumn: 'at',
    granularity: 'month',
  })
  const request = {
    allowDestructive: true,
    continueOnError: false,
    okIfLocked: true,
    quiet: true,
    observe: false,
  }
  const message = 'Another maintainer holds it (server process 7, at work since then). Nothing was done.'

  async function reportOf(heldForMs: number | undefined): Promise<RunTableReport | undefined> {
    const error = new LockAcquisitionError(message, { heldForMs })
    const result = resultOf({ success: false, error: error.message })
    const workspace = Object({ hide: (text: string) => text })
    const tables = [{ config, allowDestructive: false }]
    return (await reportRuns(workspace, request, { tables, outcomes: [{ result, error }] }))[0]
  }

  it('is quiet and fine with --ok-if-locked while that has not taken an hour, or for an unknown time', async () => {
    for (const heldForMs of [undefined, 60_000]) {
      const report = await reportOf(heldForMs)
      expect(report).toMatchObject({ exitCode: 0, locked: true, result: { error: message } })
      expect(renderRuns(report ? [report] : [], page, { quiet: true, all: false })).toEqual([])
    }
  })

  it('says after an hour since when, who, and what to do, and the exit code is that of a lock', async () => {
    const report = await reportOf(86_400_000)
    expect(report).toMatchObject({ exitCode: 6, observed: { locked: true } })
    const text = renderRuns(report ? [report] : [], page, { quiet: true, all: false })
      .flat()
      .join(' ')
    expect(text).toMatch(/server process 7, at work since then.*more than an hour.*plan --locks/)
  })
})

describe('the sentence that ends a run', () => {
  it('speaks of a detach that may be pending only where it was begun', () => {
    expect(closing(failed({}))).toBe(
      'Nothing was finished. 1 operation was not carried out. In 1 table something failed or was refused.',
    )
    expect(closing(failed({ begun: true }))).toContain(
      'A concurrent detach was cut short and may be pending; the next run finishes it.',
    )
  })

  it('does not call a table that another maintainer has one in which something failed', () => {
    expect(closing(resultOf({ success: false, error: 'Locked.' }), { locked: true })).toBe(
      'Nothing was changed. 1 table was left to another maintainer, which holds its lock.',
    )
  })

  it('says why it ends with 3 although all went well', () => {
    const about = { code: 'rows-in-default', message: 'Rows.', next: 'Move them.' } as const
    const findings = [
      { ...about, severity: 'warning' },
      { ...about, severity: 'info' },
    ] as const
    expect(closing(resultOf({ createdCount: 11, findings }))).toBe(
      'Created 11. A person is needed for 1 finding.',
    )
  })
})

describe('a result that is shown', () => {
  it('has no password in the statements of those who were in the way', () => {
    const waited = { gaveWayCount: 1, durationMs: 5, inTheWay: [{ pid: 1, query: 'SELECT secret' }] }
    const text = JSON.stringify(
      withoutPasswords(failed({ waited, message: 'a secret' }), (said) => said.replaceAll('secret', '***')),
    )
    expect(text).not.toContain('secret')
    expect(text).toContain('SELECT ***')
  })
})
