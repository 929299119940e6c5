import { describe, expect, it } from 'vitest'
import { eachTable } from '../../../src/cli/each-table.ts'
import type { TableReport } from '../../../src/cli/report.ts'
import { StoppedBySignal } from '../../../src/cli/stop-signal.ts'
import type { Workspace } from '../../../src/cli/workspace.ts'
import { ConnectionFailedError, type DocumentTable, silentLogger } from '../../../src/index.ts'
import { configOf } from '../../support/cli-views.ts'

const names = ['a', 'b', 'c', 'd']

function workspaceOf(more: { reach?: () => Promise<void>; signal?: AbortSignal } = {}): {
  readonly workspace: Pick<Workspace, 'tables' | 'progress' | 'io' | 'reach'>
  readonly shown: string[]
} {
  const shown: string[] = []
  const screen = { write: () => undefined, isTerminal: false, columns: 80 }
  return {
    shown,
    workspace: {
      tables: names.map((tableName) => ({ config: configOf({ tableName }), allowDestructive: false })),
      progress: {
        logger: silentLogger,
        show: (what) => {
          shown.push(what)
        },
        clear: () => {
          shown.push('')
        },
      },
      io: {
        out: screen,
        err: screen,
        env: {},
        cwd: '/',
        signal: more.signal ?? new AbortController().signal,
      },
      reach: more.reach ?? (async () => undefined),
    },
  }
}

function fine({ config }: DocumentTable): TableReport {
  const { table } = config
  return { table, exitCode: 0, lines: () => ['fine'], fields: {}, observed: { table, up: true } }
}

describe('working on one table after the other', () => {
  it('goes on after one that failed, and says what it is doing', async () => {
    const { workspace, shown } = workspaceOf()
    const reports = await eachTable(workspace, 'planning', async (table) => {
      if (table.config.tableName === 'b') throw new Error('no')
      return fine(table)
    })
    expect(reports.map(({ exitCode }) => exitCode)).toEqual([0, 1, 0, 0])
    expect(reports[1]).toMatchObject({ observed: { up: false }, error: new Error('no') })
    expect(shown).toEqual([
      'planning app.a (1 of 4)',
      'planning app.b (2 of 4)',
      'planning app.c (3 of 4)',
      'planning app.d (4 of 4)',
      '',
    ])
  })

  it('stops where the server is gone, with the reason for the rest, but not where one connection was lost', async () => {
    const lost = new ConnectionFailedError('lost')
    const gone = new ConnectionFailedError('nothing listens there')
    const work = async (table: DocumentTable): Promise<TableReport> => {
      if (table.config.tableName === 'b') throw lost
      return fine(table)
    }
    const away = workspaceOf({ reach: () => Promise.reject(gone) })
    const ended = await eachTable(away.workspace, 'planning', work)
    expect(ended.map(({ error }) => error)).toEqual([undefined, lost, gone, gone])
    expect(ended.map(({ exitCode }) => exitCode)).toEqual([0, 5, 5, 5])

    const back = await eachTable(workspaceOf().workspace, 'planning', work)
    expect(back.map(({ error }) => error)).toEqual([undefined, lost, undefined, undefined])
  })

  it('leaves the rest alone once it is told to stop', async () => {
    const controller = new AbortController()
    const { workspace } = workspaceOf({ signal: controller.signal })
    const seen: string[] = []
    const reports = await eachTable(workspace, 'planning', async (table) => {
      seen.push(table.config.tableName)
      if (table.config.tableName === 'b') controller.abort(new StoppedBySignal('SIGTERM'))
      return fine(table)
    })
    expect(seen).toEqual(['a', 'b'])
    expect(reports.map(({ exitCode }) => exitCode)).toEqual([0, 0, 143, 143])
  })
})
