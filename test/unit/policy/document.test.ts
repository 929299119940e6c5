import { describe, expect, it } from 'vitest'
import { defineConfig } from '../../../src/config.ts'
import { type PartsmithDocument, parseDocument } from '../../../src/policy/document.ts'
import { formatPath } from '../../../src/policy/problem.ts'
import { defaultBudget } from '../../../src/sql/lock-budget.ts'

const events = { tableName: 'events', partitionColumn: 'created_at', granularity: 'month' } as const

function parsed(value: unknown): PartsmithDocument {
  const result = parseDocument(value)
  if ('problems' in result) throw new Error(JSON.stringify(result.problems))
  return result.document
}

/** The problems as `path: sentence`. */
function problems(value: unknown): readonly string[] {
  const result = parseDocument(value)
  return 'problems' in result
    ? result.problems.map(({ path, message }) => `${formatPath(path)}: ${message}`)
    : []
}

describe('a document of one table', () => {
  const document = parsed(defineConfig({ tables: [events] }))

  it('has the documented defaults', () => {
    expect(document).toMatchObject({
      connection: { url: undefined },
      runtime: {
        markerPrefix: 'pg-partsmith',
        lockPrefix: 'pg-partsmith',
        ddlTimezone: 'UTC',
        lockTimeoutMs: 100,
        statementTimeoutMs: 10_000,
        giveUpAfterMs: 15_000,
        dropAllowUnmanaged: false,
      },
      hooks: { timeoutSeconds: 300, commands: {} },
    })
    expect(document.tables[0]?.config.table).toEqual({ schema: 'public', name: 'events' })
    expect(document.tables[0]?.allowDestructive).toBe(false)
  })

  it('has the limits that the statements are made with', () => {
    const { lockTimeoutMs, statementTimeoutMs, giveUpAfterMs } = document.runtime
    expect(defaultBudget).toMatchObject({ lockTimeoutMs, statementTimeoutMs, giveUpAfterMs })
  })

  it('is frozen', () => {
    const { tables, runtime, hooks, connection } = document
    const parts = [document, tables, tables[0], runtime, hooks, hooks.commands, connection]
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true)
  })
})

describe('a complete document', () => {
  it('keeps everything that it says', () => {
    const document = parsed(
      defineConfig({
        $schema: './schema.json',
        connection: { url: 'postgres://host/db' },
        tables: [{ ...events, allowDestructive: true }],
        runtime: {
          markerPrefix: 'mine',
          lockPrefix: 'ours',
          ddlTimezone: null,
          lockTimeoutMs: 500,
          statementTimeoutMs: 60_000,
          giveUpAfterMs: 0,
          dropAllowUnmanaged: true,
        },
        hooks: { timeoutSeconds: 0.5, beforeDrop: ['archive', '--table', ''], afterDrop: undefined },
      }),
    )
    expect(document.connection.url).toBe('postgres://host/db')
    expect(document.tables[0]?.allowDestructive).toBe(true)
    expect(document.runtime).toEqual({
      markerPrefix: 'mine',
      lockPrefix: 'ours',
      ddlTimezone: null,
      lockTimeoutMs: 500,
      statementTimeoutMs: 60_000,
      giveUpAfterMs: 0,
      dropAllowUnmanaged: true,
    })
    expect(document.hooks).toEqual({
      timeoutSeconds: 0.5,
      commands: { beforeDrop: ['archive', '--table', ''] },
    })
    expect(Object.keys(document.hooks.commands)).toEqual(['beforeDrop'])
  })
})

describe('defaults', () => {
  it('are merged key by key, and the table comes first', () => {
    const document = parsed({
      defaults: {
        schema: 'app',
        partitionColumn: 'at',
        granularity: 'day',
        retentionCount: 30,
        dropAfter: '7 days',
      },
      tables: [
        { tableName: 'a' },
        { tableName: 'b', schema: 'audit', granularity: 'week', retentionCount: 4 },
      ],
    })
    const [a, b] = document.tables.map(({ config }) => config)
    expect(a).toMatchObject({ schema: 'app', partitionColumn: 'at', granularity: 'day', retentionCount: 30 })
    expect(b).toMatchObject({
      schema: 'audit',
      partitionColumn: 'at',
      granularity: 'week',
      retentionCount: 4,
    })
    expect(b?.lifecycle.drop).toEqual({ kind: 'after', graceMicros: 604_800_000_000n })
  })

  it('are not hidden by an option that is undefined', () => {
    const document = parsed({
      defaults: { retentionCount: 30, granularity: 'day' },
      tables: [{ tableName: 'a', partitionColumn: 'at', granularity: undefined, retentionCount: undefined }],
    })
    expect(document.tables[0]?.config).toMatchObject({ granularity: 'day', retentionCount: 30 })
  })

  it('with a problem are reported once, at their own place, however many tables there are', () => {
    const value = { defaults: { granularity: 'monthly', createAheadCount: 0 }, tables: [] as object[] }
    for (const tableName of ['a', 'b', 'c']) value.tables.push({ tableName, partitionColumn: 'at' })
    expect(problems(value)).toEqual([
      'defaults.granularity: "monthly" is not a granularity; did you mean "month"?',
      'defaults.createAheadCount: Expected a whole number from 1 to 1000, got 0.',
    ])
  })

  it('cannot allow destruction or name a table', () => {
    expect(problems({ defaults: { tableName: 'a', allowDestructive: true }, tables: [events] })).toEqual([
      'defaults.tableName: There is no option "tableName" here; it is given table by table, in `tables`.',
      'defaults.allowDestructive: There is no option "allowDestructive" here; it is given table by table, in `tables`.',
    ])
  })
})

describe('problems of a document', () => {
  it.each([
    [undefined, ': It is missing: expected an object with `tables`.'],
    [null, ': Expected an object with `tables`, got nothing (null).'],
    [[events], ': Expected an object with `tables`, got a list.'],
    [{}, 'tables: It is missing: expected a list of tables.'],
    [{ tables: [] }, 'tables: The list is empty: expected at least one table.'],
    [{ tables: events }, 'tables: Expected a list of tables, got an object.'],
    [{ tables: ['events'] }, 'tables[0]: Expected the options of a table, got a text.'],
    [
      { tables: [{ tableName: 'events', granularity: 'day' }] },
      "tables[0].partitionColumn: It is missing, here and in `defaults`: expected the name of the partition key's column.",
    ],
    [
      { tables: [{ tableName: 'events', partitionColumn: 'at' }] },
      'tables[0].granularity: It is missing, here and in `defaults`: expected how long one partition is, such as "month".',
    ],
    [
      { tables: [{ partitionColumn: 'at', granularity: 'day' }] },
      'tables[0].tableName: It is missing: expected the name of the partitioned table.',
    ],
    [
      { tables: [{ ...events, premak: 1 }] },
      'tables[0].premak: There is no option "premak" here; the options are tableName,',
    ],
    [
      { tables: [{ ...events, allowDestructive: 'yes' }] },
      'tables[0].allowDestructive: Expected true or false, got the text "yes".',
    ],
    [{ tables: [events], hook: {} }, 'hook: There is no option "hook" here; did you mean "hooks"?'],
    [
      { tables: [events], runtime: { lockTimeout: 5 } },
      'runtime.lockTimeout: There is no option "lockTimeout" here; did you mean "lockTimeoutMs"?',
    ],
    [
      { tables: [events], runtime: { lockTimeoutMs: 0 } },
      'runtime.lockTimeoutMs: Expected a whole number from 1 to 2147483647, got 0.',
    ],
    [
      { tables: [events], runtime: { markerPrefix: 'a:b' } },
      'runtime.markerPrefix: The marker prefix "a:b" holds a colon',
    ],
    [
      { tables: [events], runtime: { lockPrefix: 'a\0' } },
      'runtime.lockPrefix: "a\\u0000" has a NUL character',
    ],
    [
      { tables: [events], runtime: { ddlTimezone: 'Utcc' } },
      'runtime.ddlTimezone: There is no time zone "Utcc"; did you mean "UTC"?',
    ],
    [
      { tables: [events], hooks: { beforeDrop: 'rm -rf' } },
      'hooks.beforeDrop: Expected a list of arguments, got one text; write ["sh", "-c", ".."] where a shell is wanted.',
    ],
    [
      { tables: [events], hooks: { beforeDrop: [] } },
      'hooks.beforeDrop: There is no program: expected a program and its arguments.',
    ],
    [
      { tables: [events], hooks: { beforeDrop: ['', 'x'] } },
      'hooks.beforeDrop: There is no program: expected a program and its arguments.',
    ],
    [
      { tables: [events], hooks: { beforeDrop: ['a', 1] } },
      'hooks.beforeDrop[1]: Expected an argument (text), got 1.',
    ],
    [
      { tables: [events], hooks: { beforDrop: ['a'] } },
      'hooks.beforDrop: There is no option "beforDrop" here; did you mean "beforeDrop"?',
    ],
    [
      { tables: [events], hooks: { timeoutSeconds: 0 } },
      'hooks.timeoutSeconds: Expected a number of seconds above 0, got 0.',
    ],
    [{ tables: [events], connection: { url: '' } }, 'connection.url: It is empty'],
  ])('%#: %j', (value, sentence) => {
    expect(problems(value).map((line) => line.slice(0, sentence.length))).toEqual([sentence])
  })

  it('are given all at once, whatever kind they are of', () => {
    const value = {
      tables: [{ ...events, timeZone: 'Asia/Tokyo' }, { ...events, retentionCount: 0 }, { tableName: 'x' }],
      runtime: { dropAllowUnmanaged: 1, ddlTimezone: 'UTC' },
      extra: true,
    }
    expect(
      problems(value)
        .map((line) => line.slice(0, line.indexOf(':')))
        .toSorted(),
    ).toEqual([
      'extra',
      'runtime.dropAllowUnmanaged',
      'tables[0].timeZone',
      'tables[1].retentionCount',
      'tables[1].tableName',
      'tables[2].granularity',
      'tables[2].partitionColumn',
    ])
  })

  it('tell an unknown key from a wrong value', () => {
    const result = parseDocument({ tables: [{ ...events, retentionCount: 0, x: 1 }] })
    const places = 'problems' in result ? result.problems.map(({ at }) => at) : []
    expect(places).toEqual(['value', 'key'])
  })

  it('never show what may be a password', () => {
    const secret = 'postgres://me:hunter2@host/db'
    for (const value of [
      { tables: [events], connection: secret },
      { tables: [events], connection: { url: [secret] } },
      { tables: [events], url: secret },
      { tables: [events], connection: { uri: secret } },
      secret,
    ]) {
      const lines = problems(value)
      expect(lines).toHaveLength(1)
      expect(lines.join('\n')).not.toContain('hunter2')
    }
  })
})

describe('one relation twice', () => {
  it('is a problem at the second entry', () => {
    expect(
      problems({ tables: [events, { ...events, tableName: 'other' }, { ...events, schema: 'public' }] }),
    ).toEqual([
      'tables[2].tableName: public.events is configured twice: it is tables[0] already. Keep one of them.',
    ])
  })

  it('is seen through the schema in defaults', () => {
    const tables = [events, { ...events, schema: 'app' }, { ...events, schema: 'public' }]
    expect(problems({ defaults: { schema: 'app' }, tables })).toHaveLength(1)
  })

  it('is not confused by dots and quotes in names', () => {
    const tables = [
      { ...events, schema: 'a.b', tableName: 'c' },
      { ...events, schema: 'a', tableName: 'b.c' },
      { ...events, schema: 'A', tableName: 'b.c' },
    ]
    expect(problems({ tables })).toEqual([])
  })
})

describe('a calendar zone and ddlTimezone', () => {
  const berlin = { ...events, timeZone: 'Europe/Berlin' }

  it('that disagree are refused', () => {
    expect(problems({ tables: [berlin], runtime: { ddlTimezone: 'UTC' } })).toEqual([
      'tables[0].timeZone: Periods begin in the zone "Europe/Berlin" here, and ddlTimezone is "UTC". ' +
        'Set ddlTimezone to "Europe/Berlin", or to null where tables have different zones.',
    ])
    expect(problems({ tables: [events], runtime: { ddlTimezone: 'Europe/Berlin' } })).toHaveLength(1)
  })

  it('are compared with the default UTC when ddlTimezone is left out', () => {
    expect(problems({ tables: [berlin] })).toHaveLength(1)
  })

  it('that agree are taken, whatever the zone is called', () => {
    expect(problems({ tables: [berlin], runtime: { ddlTimezone: 'europe/berlin' } })).toEqual([])
    const utc = { ...events, timeZone: 'Etc/UTC' }
    expect(problems({ tables: [utc], runtime: { ddlTimezone: 'UTC' } })).toEqual([])
  })

  it('are not compared when ddlTimezone is null', () => {
    expect(
      problems({ tables: [berlin, { ...events, tableName: 'b' }], runtime: { ddlTimezone: null } }),
    ).toEqual([])
  })
})
