import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import type { LockManager, MaintenancePlan, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'
import type { TestDatabase } from '../support/database.ts'
import { events, march, month, monthly, now } from '../support/events-table.ts'
import { leavePending, mark } from '../support/marked-tables.ts'
import { observedClient } from '../support/observed-client.ts'

/** No lock, so that everything that is sent is sent for the operations. */
const noLocks: LockManager = {
  acquireLock: async () => {
    const lease = {
      key: 'none',
      signal: new AbortController().signal,
      assertHeld: async () => undefined,
      release: async () => undefined,
    }
    return { ...lease, [Symbol.asyncDispose]: lease.release }
  },
  isLocked: async () => false,
}

interface Sent {
  readonly pid: number
  readonly text: string
}

/** What `apply` sends beside reading: the statements of its read-only transactions and its question for the pid are left out. */
function changing(sent: readonly Sent[]): readonly string[] {
  const reading = new Set<number>()
  const texts: string[] = []
  for (const { pid, text } of sent) {
    if (/^BEGIN .*READ ONLY/.test(text)) reading.add(pid)
    if (!reading.has(pid) && !text.startsWith('SELECT pg_catalog.pg_backend_pid()')) {
      texts.push(whetherPending(text.trim()))
    }
    if (/^(COMMIT|ROLLBACK)$/.test(text)) reading.delete(pid)
  }
  return texts
}

/** Whether a detach is pending is asked together with who waits meanwhile, which only a run can know. */
function whetherPending(text: string): string {
  return /^SELECT \((SELECT [^()]*)\) AS pending, w\.waiting/.exec(text)?.[1] ?? text
}

type Line = { readonly statement: string } | { readonly comment: string }

/** Without the lines that keep the text from being run. */
function linesOf(rendered: string): readonly Line[] {
  const [, body = ''] = /^\\if false\n(.*)\n\\endif\n$/ms.exec(rendered) ?? []
  const lines: Line[] = []
  let statement = ''
  for (const line of body.split('\n')) {
    if (statement === '' && line.startsWith('--')) lines.push({ comment: line })
    else if (statement === '' && line.trim() === '') continue
    else {
      statement += `${statement === '' ? '' : '\n'}${line}`
      const [, text] = /^(.*);(?: -- .*)?$/s.exec(statement) ?? []
      if (text === undefined) continue
      lines.push({ statement: text })
      statement = ''
    }
  }
  expect(statement).toBe('')
  return lines
}

/** Asked with each change that is found at run time. */
const proof = /^SELECT \(CASE WHEN .* END\)::int AS meant$/s

/** What is printed and was not sent, and what was sent and is neither printed nor of the kind that is found at run time. */
function differences(lines: readonly Line[], sent: readonly string[], extra: RegExp): readonly string[] {
  const printed = new Set(statementsOf(lines))
  return [
    ...[...printed].filter((text) => !sent.includes(text)).map((text) => `printed, not sent: ${text}`),
    ...sent
      .filter((text) => !printed.has(text) && !extra.test(text) && !proof.test(text))
      .map((text) => `sent, not printed: ${text}`),
  ]
}

function statementsOf(lines: readonly Line[]): readonly string[] {
  return lines.flatMap((line) => ('statement' in line ? [line.statement] : []))
}

/** The first time that each printed statement is sent; where transactions begin and end is not looked at. */
function firstTimes(sent: readonly string[], printed: readonly string[]): readonly string[] {
  const bracket = /^(BEGIN|COMMIT)/
  return [...new Set(sent)].filter((text) => printed.includes(text) && !bracket.test(text))
}

const febBound = `FOR VALUES FROM ('2026-02-01 00:00:00+00') TO ('2026-03-01 00:00:00+00')`
const rest = 'CREATE TABLE rest PARTITION OF events DEFAULT;'
const february = month('2026-02')
const detached = `${february} ALTER TABLE events DETACH PARTITION events__2026_02;`
const retire: TablePartitionOptions = { ...monthly, retentionCount: 1, dropAfter: '1 day' }

interface RenderedCase {
  readonly what: string
  readonly config: TablePartitionOptions
  readonly prepare: (database: TestDatabase) => Promise<unknown>
  readonly kinds: readonly string[]
  /** What must be announced as decided at run time. */
  readonly found: readonly RegExp[]
  /** What is sent then. */
  readonly extra: RegExp
}

const cases: readonly RenderedCase[] = [
  {
    what: 'create',
    config: { ...monthly, createAheadCount: 2 },
    prepare: (database) => database.sql(`${events} ${march}`),
    kinds: ['create'],
    found: [/goes on only if the parent is that of the plan and has no DEFAULT/],
    extra: /^$/,
  },
  {
    what: 'create beside a DEFAULT with rows',
    config: { ...monthly, createAheadCount: 2 },
    prepare: (database) =>
      database.sql(`${events} ${march} ${rest} INSERT INTO events VALUES (1, '2026-04-02');`),
    kinds: ['create'],
    found: [
      /marker: built for/,
      /if DEFAULT holds rows from 2026-04-01 00:00:00\+00 to 2026-05-01 00:00:00\+00: move them \(refused above 10000\)/,
      /without the marker/,
    ],
    extra: /^(COMMENT ON TABLE|SET CONSTRAINTS ALL IMMEDIATE$|WITH moved AS)/,
  },
  {
    what: 'attach again',
    config: { ...monthly, retentionCount: 2 },
    prepare: async (database) => {
      await database.sql(`${events} ${march} ${detached}`)
      await mark(database, { table: 'events__2026_02', bound: febBound })
    },
    kinds: ['attach'],
    found: [
      /for each index and key of public\.events that public\.events__2026_02 does not have/,
      /where a valid CHECK says the same already/,
      /unless it is proven already: ALTER TABLE public\.events__2026_02 VALIDATE CONSTRAINT/,
      /if it was added for this/,
      /its own comment, without the marker/,
    ],
    extra:
      /^(COMMENT ON TABLE|ALTER TABLE ONLY .* (VALIDATE|DROP) CONSTRAINT "pg_partsmith_range"|LOCK TABLE ONLY .* IN SHARE UPDATE EXCLUSIVE|SELECT pg_catalog\.set_config\(.*'21600000ms')/,
  },
  {
    what: 'a concurrent detach',
    config: retire,
    prepare: (database) => database.sql(`${events} ${march} ${february}`),
    kinds: ['detach'],
    found: [
      /marker: detached from public\.events, at the server's clock/,
      /it is cancelled for them and finished/,
    ],
    extra: /^COMMENT ON TABLE/,
  },
  {
    what: 'a blocking detach',
    config: { ...retire, detachMode: 'blocking' },
    prepare: (database) => database.sql(`${events} ${march} ${february}`),
    kinds: ['detach'],
    found: [/marker: detached from public\.events, at the server's clock/],
    extra: /^COMMENT ON TABLE/,
  },
  {
    what: 'finalize',
    config: retire,
    prepare: async (database) => {
      await database.sql(`${events} ${march} ${february}`)
      await leavePending(database, { table: 'events__2026_02' })
    },
    kinds: ['finalize'],
    found: [],
    extra: /^$/,
  },
  {
    what: 'drop, with foreign keys of its own',
    config: { ...monthly, retentionCount: 1 },
    prepare: async (database) => {
      await database.sql(`CREATE TABLE users (id bigint PRIMARY KEY); INSERT INTO users VALUES (1);
        ${events} ALTER TABLE events ADD FOREIGN KEY (id) REFERENCES users; ${march} ${detached}`)
      await mark(database, { table: 'events__2026_02', bound: febBound })
    },
    kinds: ['drop'],
    found: [
      /for each foreign key of public\.events__2026_02, with both of its tables locked: ALTER TABLE public\.events__2026_02 DROP CONSTRAINT/,
    ],
    extra:
      /^(ALTER TABLE .* DROP CONSTRAINT|SELECT json_agg.* AS may_loop|LOCK TABLE ONLY "public"\."users" IN ACCESS EXCLUSIVE MODE$|DO '.* NOWAIT;|SELECT k\.conname|SELECT pg_describe_object|WITH RECURSIVE part)/s,
  },
  {
    what: 'drop of a table that was never attached, and its creation',
    config: { ...monthly, createAheadCount: 2 },
    prepare: async (database) => {
      await database.sql(`${events} ${march} CREATE TABLE events__2026_04 (LIKE events);`)
      await mark(database, {
        table: 'events__2026_04',
        kind: 'building',
        bound: `FOR VALUES FROM ('2026-04-01 00:00:00+00') TO ('2026-05-01 00:00:00+00')`,
      })
    },
    kinds: ['drop', 'create'],
    found: [/has no DEFAULT; ALTER TABLE .* OWNER TO/],
    extra: /^$/,
  },
  {
    what: 'unmark',
    config: { ...monthly, retentionCount: 2 },
    prepare: async (database) => {
      await database.sql(`${events} ${march} ${february}`)
      await mark(database, { table: 'events__2026_02', bound: febBound })
    },
    kinds: ['unmark'],
    found: [],
    extra: /^$/,
  },
]

describeEachServer('the SQL that is shown is the SQL that is sent, for', (major) => {
  for (const { what, config, prepare, kinds, found, extra } of cases) {
    for (const ddlTimezone of ['UTC', null]) {
      // Where an autovacuum has a lock for a moment, all are asked for again, in another order.
      it(`${what}, with ddlTimezone ${String(ddlTimezone)}`, { retry: 2 }, async () => {
        await using database = await createDatabase(major)
        await prepare(database)
        const sent: Sent[] = []
        const pool = observedClient(fromPg(database.pool), {
          beforeSending: ({ pid, text }) => void sent.push({ pid, text }),
        })
        const partsmith = createPartsmith({ pool, locks: noLocks, ddlTimezone })
        const plan: MaintenancePlan = await partsmith.plan(config, { now })
        expect(plan.operations.map(({ kind }) => kind)).toEqual(kinds)
        const rendered = await partsmith.service.renderSql(config, plan)
        for (const { id } of plan.operations) expect(rendered).toContain(`-- ${id}: `)
        sent.length = 0
        const result = await partsmith.apply(config, plan, { now })
        expect(result).toMatchObject({ success: true, issues: [] })

        const lines = linesOf(rendered)
        const statements = changing(sent)
        const printed = statementsOf(lines)
        expect(differences(lines, statements, extra)).toEqual([])
        // A concurrent detach goes on over two connections at once, and keys are removed before what is printed.
        const ordered = /CONCURRENTLY|for each foreign key/.test(rendered) ? [] : printed
        expect(firstTimes(statements, ordered)).toEqual(firstTimes(ordered, ordered))
        expect(statements.filter((text) => text === 'COMMIT').length).toBeGreaterThanOrEqual(
          printed.filter((text) => text === 'COMMIT').length,
        )
        const comments = lines.flatMap((line) => ('comment' in line ? [line.comment] : []))
        const announced = comments.filter((comment) => comment.startsWith('-- found at run time: '))
        expect(announced).toHaveLength(found.length)
        for (const [index, pattern] of found.entries()) expect(announced[index]).toMatch(pattern)
      })
    }
  }
})

const program = 'psql'
const hasPsql = spawnSync(program, ['--version']).status === 0

describeEachServer('the SQL that is shown is no script', (major) => {
  async function rendered(): Promise<{
    database: TestDatabase
    text: string
    isUntouched: () => Promise<void>
  }> {
    const database = await createDatabase(major)
    await database.sql(`${events} ${march} ${february}`)
    const partsmith = createPartsmith({ pool: database.pool })
    const plan = await partsmith.plan(retire, { now })
    expect(plan.operations.map(({ kind }) => kind)).toEqual(['detach'])
    return {
      database,
      text: await partsmith.service.renderSql(retire, plan),
      isUntouched: async () => {
        const again = await partsmith.plan(retire, { now })
        expect(again.operations).toEqual(plan.operations)
      },
    }
  }

  it('says so in its first lines, and a client that sends it as a whole or in parts changes nothing', async () => {
    const { database, text, isUntouched } = await rendered()
    expect(text).toMatch(/^-- To be read, not run: .*\n-- To carry it out: .*apply --plan FILE\n/)
    await expect(database.sql(text)).rejects.toThrow('syntax error at or near "\\"')
    const [first = ''] = text.split(/(?<=\$\$;)\n/)
    await expect(database.sql(first)).rejects.toThrow('This text is to be read, not run.')
    await isUntouched()
  })

  it('is empty where nothing is planned', async () => {
    await using database = await createDatabase(major)
    await database.sql(`${events} ${march}`)
    const { service } = createPartsmith({ pool: database.pool })
    expect(await service.renderSql(monthly, await service.plan(monthly, { now }))).toBe('')
  })

  it.skipIf(!hasPsql).each([
    ['from a file that goes on after errors', [], 0],
    ['from a file that stops at errors', ['-v', 'ON_ERROR_STOP=1'], 3],
  ] as const)('is not run by psql, %s', async (_how, options, code) => {
    const { database, text, isUntouched } = await rendered()
    const psql = spawnSync(program, ['-X', '-q', ...options, '-d', database.url], {
      input: text,
      encoding: 'utf8',
    })
    expect(psql.stderr).toContain('This text is to be read, not run.')
    expect(psql.stdout).toBe('')
    expect(psql.status).toBe(code)
    await isUntouched()
  })
})
