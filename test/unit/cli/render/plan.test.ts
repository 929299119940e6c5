import type { Operation } from '../../../../src/index.ts'
import { lockUse, lockUsesBelow } from '../../../../src/plan/lock-use.ts'
import { defaultBudget, type LockBudget } from '../../../../src/sql/lock-budget.ts'
import { describe, expect, it } from 'vitest'
import { renderPlan, summarizePlans } from '../../../../src/cli/render/plan.ts'
import { plainPage } from '../../../../src/cli/render/style.ts'
import { configOf, createOf, detachOf, dropOf, planOf } from '../../../support/cli-views.ts'

const april = { from: '2026-04-01 00:00:00+00', to: '2026-05-01 00:00:00+00' }
const may = { from: '2026-05-01 00:00:00+00', to: '2026-06-01 00:00:00+00' }
const january = { from: '2026-01-01 00:00:00+00', to: '2026-02-01 00:00:00+00' }

function budgetOf(lockTimeoutMs: number, giveUpAfterMs: number): LockBudget {
  return { ...defaultBudget, lockTimeoutMs, giveUpAfterMs }
}

const kept = (name: string, until: string, next = 'Nothing to do.') =>
  ({
    code: 'orphan-kept',
    severity: 'info',
    relation: { schema: 'app', name },
    message: `app.${name} was detached at 2026-03-10T00:00:00Z and is kept until ${until}T00:00:00Z.`,
    next,
  }) as const

describe('a plan for people', () => {
  it('has a header, numbered operations, their reasons and hazards, and findings with their next step', () => {
    const plan = planOf({
      operations: [
        createOf('events__2026_04', april),
        createOf('events__2026_05', may),
        detachOf('events__2026_01', january),
        dropOf('events__2025_12'),
      ],
      findings: [
        { code: 'orphan-kept', severity: 'info', message: 'A table is kept.', next: 'Nothing.' },
        {
          code: 'rows-in-default',
          severity: 'warning',
          message: 'DEFAULT holds 40,000 rows of 2026-06-01 to 2026-07-01, more than may be moved at once.',
          next: 'Raise maxRowsFromDefault.',
        },
      ],
    })
    expect(renderPlan({ config: configOf({ dropAfter: '7 days' }), plan }, plainPage).join('\n')).toBe(
      `app.events
  range (created_at) by month  create-ahead 3  keep 2  drop after 7 days

  1  create  events__2026_04  2026-04-01 to 2026-05-01
  2  create  events__2026_05  2026-05-01 to 2026-06-01
             each: 3 partitions are wanted from the current one on
  3  detach  events__2026_01  2026-01-01 to 2026-02-01  1.2 MB, ~20,160 rows
             2 partitions are kept, and this one is older
             ! hides-data: its rows are no longer found through app.events
             ! not-transactional: cannot be rolled back; cut short, it is
               finished by the next run
  4  drop    events__2025_12                            0 B
             its grace period ended at 2026-03-01
             ! deletes-data: its rows are gone afterwards

  warning  rows-in-default
    DEFAULT holds 40,000 rows of 2026-06-01 to 2026-07-01, more than may be
    moved at once.
    Next: Raise maxRowsFromDefault.

  info  orphan-kept
    A table is kept.
    Next: Nothing.
`,
    )
    expect(summarizePlans([plan])).toBe('4 operations, 2 of which take rows away; 2 findings.')
  })

  it('says what every lock blocks, in the words of those who use the table', () => {
    const operation = detachOf('events__2026_01', january)
    const plan = planOf({
      operations: [
        {
          ...operation,
          mode: 'blocking',
          hazards: ['access-exclusive-lock'],
          locks: [
            lockUse('parent', { schema: 'app', name: 'events' }, 'ACCESS EXCLUSIVE'),
            lockUse('referenced', { schema: 'app', name: 'users' }, 'SHARE ROW EXCLUSIVE'),
          ],
        },
        createOf('events__2026_04', april),
      ],
    })
    const page = { ...plainPage, columns: 120 }
    expect(renderPlan({ config: configOf(), plan }, page, { locks: true }).join('\n')).toBe(
      `app.events  range (created_at) by month  create-ahead 3  keep 2  drop at once

  1  detach  events__2026_01  2026-01-01 to 2026-02-01  1.2 MB, ~20,160 rows
             locks  app.events  ACCESS EXCLUSIVE     blocks reads and writes of app.events
                    app.users   SHARE ROW EXCLUSIVE  blocks writes of app.users; reads go on
                    holds these locks for a moment: no rows are read, only the catalog is changed
                    on a standby, queries of app.events that run on are cancelled
                      (max_standby_streaming_delay)
             2 partitions are kept, and this one is older
             ! access-exclusive-lock: blocks reads and writes of app.events while it runs
  2  create  events__2026_04  2026-04-01 to 2026-05-01
             locks  app.events  SHARE UPDATE EXCLUSIVE
                      reads and writes of app.events go on; VACUUM and ALTER wait
                    app.events__2026_04  ACCESS EXCLUSIVE
                      blocks nobody: it is new
                    holds these locks for a moment: no rows are read, only the catalog is changed
                    on a standby, no query is cancelled
             3 partitions are wanted from the current one on
`,
    )
  })

  it('says the locks of a group once, and what others wait at most in the numbers of the configuration', () => {
    const names = ['events__2026_04', 'events__2026_05']
    const plan = planOf({
      operations: [createOf('events__2026_04', april), createOf('events__2026_05', may)],
    })
    const page = { ...plainPage, columns: 120 }
    const view = {
      config: configOf(),
      plan,
      budget: { budget: budgetOf(200, 5_000), deadlockTimeoutMs: 1_000 },
    }
    const text = renderPlan(view, page, { locks: true }).join('\n')
    expect(text).toContain(
      `  1  create  events__2026_04  2026-04-01 to 2026-05-01
  2  create  events__2026_05  2026-05-01 to 2026-06-01
             locks  app.events     SHARE UPDATE EXCLUSIVE  reads and writes of app.events go on; VACUUM and ALTER wait
                    the partition  ACCESS EXCLUSIVE        blocks nobody: it is new
                    holds these locks for a moment: no rows are read, only the catalog is changed
                    on a standby, no query is cancelled
             each: 3 partitions are wanted from the current one on
`,
    )
    for (const name of names) expect(text.match(new RegExp(name, 'g'))).toHaveLength(1)
    expect(text).toMatch(
      /Others wait at most 200 ms at a time \(lockTimeoutMs\): then it gives way\. What finds a lock taken\s+is tried up to \d+ times, for 5\.0 s in all \(giveUpAfterMs\); the next run goes on\./,
    )
    const once = { ...view, budget: { budget: budgetOf(5_000, 0), deadlockTimeoutMs: 1_000 } }
    expect(renderPlan(once, page, { locks: true }).join('\n')).toMatch(
      /at most 800 ms at a time \(lockTimeoutMs\): then it gives way\. What finds a lock taken\s+is not tried again/,
    )
  })

  it('does not say in one what differs: a name that only begins like the partition is another', () => {
    const events = { schema: 'app', name: 'events' }
    const operations = ['events__2026_04', 'events__2026_05'].map((name) => ({
      ...createOf(name, april),
      locks: [
        lockUse('parent', events, 'SHARE UPDATE EXCLUSIVE'),
        lockUse('referencing', { schema: 'app', name: `${name}_old` }, 'ACCESS EXCLUSIVE'),
      ],
    }))
    const text = renderPlan({ config: configOf(), plan: planOf({ operations }) }, plainPage, {
      locks: true,
    }).join('\n')
    expect(text).toContain('app.events__2026_04_old')
    expect(text).toContain('app.events__2026_05_old')
  })

  it('tells the first of many partitions that are locked with what they are below, and counts the others', () => {
    const tenants = { schema: 'app', name: 'tenants' }
    const pageWith = (count: number): string => {
      const partitions = Array.from({ length: count }, (_, at) => ({ schema: 'app', name: `tenants${at}` }))
      const operation: Operation = {
        ...detachOf('events__2026_01', january),
        mode: 'blocking',
        hazards: ['access-exclusive-lock'],
        locks: [
          lockUse('referenced', tenants, 'ACCESS EXCLUSIVE'),
          ...lockUsesBelow(tenants, { role: 'referenced', mode: 'ACCESS EXCLUSIVE', partitions }),
        ],
      }
      const page = { ...plainPage, columns: 120 }
      const plan = planOf({ operations: [operation] })
      return renderPlan({ config: configOf(), plan }, page, { locks: true }).join('\n')
    }
    expect(pageWith(31)).toBe(`app.events  range (created_at) by month  create-ahead 3  keep 2  drop at once

  1  detach  events__2026_01  2026-01-01 to 2026-02-01  1.2 MB, ~20,160 rows
             locks  app.tenants                            ACCESS EXCLUSIVE  blocks reads and writes of app.tenants
                    app.tenants0                           ACCESS EXCLUSIVE  blocks reads and writes of app.tenants0
                    app.tenants1                           ACCESS EXCLUSIVE  blocks reads and writes of app.tenants1
                    app.tenants2                           ACCESS EXCLUSIVE  blocks reads and writes of app.tenants2
                    and 28 more partitions of app.tenants  ACCESS EXCLUSIVE  likewise
                    holds these locks for a moment: no rows are read, only the catalog is changed
                    on a standby, queries of app.tenants with its partitions that run on are
                      cancelled (max_standby_streaming_delay)
             2 partitions are kept, and this one is older
             ! access-exclusive-lock: blocks reads and writes of app.tenants with its partitions
               while it runs
`)
    expect(pageWith(5)).toContain('app.tenants4')
    expect(pageWith(5)).not.toContain('more partitions')
  })

  it('says under each operation who is in the way of its locks, and in the end what to grant', () => {
    const [first, second] = [createOf('events__2026_04', april), createOf('events__2026_05', may)]
    const blocker = {
      relation: { schema: 'app', name: 'events' },
      mode: 'ACCESS SHARE',
      pid: 4711,
      application: 'a\u{1b}report',
      state: 'idle in transaction',
      ageMs: 61_000,
      query: 'SELECT count(*) FROM events WHERE created_at > now() - $1',
    } as const
    const blockers = {
      table: { schema: 'app', name: 'events' },
      operations: [
        {
          id: first.id,
          blockers: [blocker, { ...blocker, pid: 4712, query: undefined, hidden: true as const }],
        },
        { id: second.id, blockers: [] },
      ],
      advice: ['To see what the sessions of other roles run: GRANT pg_read_all_stats TO keeper.'],
    }
    const plan = planOf({ operations: [first, second] })
    const lines = renderPlan({ config: configOf(), plan, blockers }, plainPage, { locks: true })
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    const text = lines.join('\n')
    expect(text).toContain(`
             now    pid 4711 (a\\u{1b}report, idle in transaction, transaction
                      open for 61 s, last statement: SELECT count(*) FROM events
                      WHERE created_at > now() - $1) holds ACCESS SHARE on
                      app.events
                    pid 4712 (a\\u{1b}report, idle in transaction, transaction
                      open for 61 s, its query is hidden) holds ACCESS SHARE on
                      app.events
`)
    expect(text).toContain('\n             now    nobody is in the way\n')
    expect(text).toContain(
      '\n  To see what the sessions of other roles run: GRANT pg_read_all_stats TO\n  keeper.\n',
    )
    const unasked = renderPlan({ config: configOf(), plan }, plainPage, { locks: true }).join('\n')
    expect(unasked).not.toContain('in the way')
  })

  it('shows rows that wait in DEFAULT, and shares notes only between operations that are alike', () => {
    const plan = planOf({
      operations: [
        { ...createOf('a', april), rowsInDefault: 1_204, hazards: ['rewrites-rows', 'full-scan'] },
        createOf('b', may),
      ],
    })
    const text = renderPlan({ config: configOf(), plan }, plainPage).join('\n')
    expect(text).toContain('! rewrites-rows: moves 1,204 rows out of the DEFAULT partition')
    expect(text).not.toContain('each:')
    expect(text.match(/3 partitions are wanted/g)).toHaveLength(2)
  })

  it('breaks all rows before their figures where one would be wider than the page', () => {
    const operation = detachOf('measurements_north__2026_01', january)
    const plan = planOf({ operations: [operation, createOf('measurements_north__2026_04', april)] })
    const lines = renderPlan({ config: configOf(), plan }, plainPage)
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(lines.join('\n')).toContain(`
  1  detach  measurements_north__2026_01  2026-01-01 to 2026-02-01
             1.2 MB, ~20,160 rows
             2 partitions are kept`)
    expect(lines).toContain('  2  create  measurements_north__2026_04  2026-04-01 to 2026-05-01')
  })

  it('says in the header when the configuration takes rows away without asking, and what becomes of them', () => {
    expect(header({}, true)).toMatch(/keep 2 {2}drop at once {2}drops without asking$/)
    expect(header({}, false)).toMatch(/keep 2 {2}drop at once$/)
    expect(header({ dropAfter: 'never' }, true)).toMatch(/never drop {2}detaches without asking$/)
    const everything = { retentionCount: undefined }
    expect(header(everything, false)).toMatch(/nothing expires$/)
    expect(header({ ...everything, dropAfter: '7 days' }, true)).toMatch(
      /nothing expires {2}drop after 7 days {2}drops without asking$/,
    )
    expect(header({ ...everything, dropAfter: 'never' }, true)).toMatch(/nothing expires {2}never drop$/)
  })

  it('says once what is read in full to attach a table, also beside a DEFAULT', () => {
    const { kind: _kind, guard, ...rest } = createOf('a', april)
    const attach = (defaultOid: string | null, provesRange: boolean): string =>
      renderPlan(
        {
          config: configOf(),
          plan: planOf({
            operations: [
              {
                ...rest,
                kind: 'attach',
                provesRange,
                hazards: ['full-scan'],
                guard: { ...guard, defaultOid, oid: '3', comment: null },
              },
            ],
          }),
        },
        plainPage,
      )
        .join('\n')
        .replaceAll(/\s+/g, ' ')
    const own = 'full-scan: reads the table in full to check its rows, unless its CHECK proves them'
    expect(attach(null, false)).toMatch(new RegExp(`${own} $`))
    expect(attach('9', false)).toContain(`${own}, and the DEFAULT partition in full, to be sure`)
    expect(attach('9', true)).toContain('full-scan: reads the DEFAULT partition in full, to be sure')
  })

  it('says what is the same of several tables once, and what differs for each', () => {
    const late = ['a', 'b', 'c', 'd', 'e'].map((name, index) => kept(name, `2026-03-1${index + 1}`))
    const findings = [...late, kept('f', '2026-03-11', 'Look at f.'), kept('g', '2026-03-11', 'Look.')]
    const lines = renderPlan({ config: configOf(), plan: planOf({ findings }) }, plainPage)
    expect(lines.filter((line) => line.includes('orphan-kept'))).toHaveLength(3)
    expect(lines.join('\n').replaceAll(/\s+/g, ' ')).toContain(
      'kept until 2026-03-11T00:00:00Z. The same is true of app.b, app.c, app.d and 1 more, each with its own time. Next: Nothing to do.',
    )
    const same = renderPlan(
      { config: configOf(), plan: planOf({ findings: [kept('a', '2026-03-11'), kept('b', '2026-03-11')] }) },
      plainPage,
    )
    expect(same.join('\n').replaceAll(/\s+/g, ' ')).toContain('The same is true of app.b. Next:')
  })

  it('does not call it nothing to do where a person is needed', () => {
    const needed = {
      code: 'rows-in-default',
      severity: 'warning',
      message: 'Rows.',
      next: 'Move them.',
    } as const
    const text = renderPlan({ config: configOf(), plan: planOf({ findings: [needed] }) }, plainPage).join(
      '\n',
    )
    expect(text).toContain('  Nothing to do but what the findings say.')
  })

  it('is one quiet line where nothing is due', () => {
    expect(renderPlan({ config: configOf(), plan: planOf() }, plainPage).join('\n')).toContain(
      '  Nothing to do.',
    )
    expect(summarizePlans([planOf()])).toBe('No operations, no findings.')
    expect(summarizePlans([planOf({ operations: [dropOf('x')] })])).toBe(
      '1 operation that takes rows away, no findings.',
    )
  })

  it('does not let a name drive the terminal', () => {
    const evil = 'e\u001b[2J\nvil'
    const plan = planOf({ operations: [dropOf(evil)] })
    const text = renderPlan({ config: configOf({ tableName: evil }), plan }, plainPage).join('\n')
    expect(text).not.toContain('\u001b')
    expect(text).toContain(String.raw`"e\u{1b}[2J\nvil"`)
  })

  it('writes local midnights as dates, and other times with their offset', () => {
    const plan = planOf({
      operations: [
        createOf('a', { from: '2026-03-31 22:00:00+00', to: '2026-04-30 22:00:00+00' }),
        createOf('b', { from: '2026-10-25 00:00:00+00', to: '2026-10-25 01:00:00+00' }),
      ],
    })
    const text = renderPlan({ config: configOf({ timeZone: 'Europe/Berlin' }), plan }, plainPage).join('\n')
    expect(text).toContain('by month in Europe/Berlin')
    expect(text).toContain('2026-04-01 to 2026-05-01')
    expect(text).toContain('2026-10-25 02:00+02:00 to 2026-10-25 02:00+01:00')
  })
})

/** The first line, on a page that is wide enough for all of it. */
function header(more: Parameters<typeof configOf>[0], allowDestructive: boolean): string {
  const page = { ...plainPage, columns: 200 }
  return renderPlan({ config: configOf(more), plan: planOf(), allowDestructive }, page)[0] ?? ''
}
