import { describe, expect, it } from 'vitest'
import { closingOfRuns, type RunTableReport, withoutPasswords } from '../../../src/cli/run-report.ts'
import type { MaintenanceResult } from '../../../src/index.ts'
import { resultOf } from '../../support/cli-views.ts'

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
