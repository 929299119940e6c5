import { describe, expect, it } from 'vitest'
import { InvalidPartitionConfigError } from '../../../src/errors.ts'
import { defaultMarkerPrefix } from '../../../src/model/marker.ts'
import { TablePartitionConfig } from '../../../src/policy/config.ts'
import type { TablePartitionOptions } from '../../../src/policy/options.ts'
import { optionDefaults } from '../../../src/policy/schema.ts'

const minimal: TablePartitionOptions = {
  tableName: 'events',
  partitionColumn: 'created_at',
  granularity: 'month',
}

/** The only problem of options that are invalid in one place. */
function problem(changes: object): { readonly path: readonly unknown[]; readonly message: string } {
  const problems = TablePartitionConfig.problems({ ...minimal, ...changes })
  expect(problems).toHaveLength(1)
  return { path: problems[0]?.path ?? [], message: problems[0]?.message ?? '' }
}

function message(changes: object): string {
  return problem(changes).message
}

describe('a config from minimal options', () => {
  const config = new TablePartitionConfig(minimal)

  it('has the documented defaults', () => {
    expect(Object.assign({}, config)).toEqual({
      schema: 'public',
      tableName: 'events',
      table: { schema: 'public', name: 'events' },
      partitionColumn: 'created_at',
      granularity: 'month',
      timeZone: 'UTC',
      partitionType: 'range',
      partitionStrategy: 'time-based',
      maxRowsFromDefault: 10_000,
      createAheadCount: 3,
      retentionCount: undefined,
      lifecycle: {
        creation: { kind: 'ahead', count: 3 },
        retention: { kind: 'everything' },
        detach: 'auto',
        drop: { kind: 'after', graceMicros: 0n },
      },
    })
  })

  it('is frozen all the way down', () => {
    const { lifecycle } = config
    const parts = [config, config.table, lifecycle, lifecycle.creation, lifecycle.retention, lifecycle.drop]
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true)
  })

  it('does not follow later changes of the options', () => {
    const options = { ...minimal, retentionCount: 12 }
    const made = new TablePartitionConfig(options)
    options.retentionCount = 1
    expect(made.retentionCount).toBe(12)
  })

  it('knows the same marker prefix as the marker', () => {
    expect(optionDefaults.markerPrefix).toBe(defaultMarkerPrefix)
  })
})

describe('a config from complete options', () => {
  const config = new TablePartitionConfig({
    ...minimal,
    schema: 'app',
    timeZone: 'europe/BERLIN',
    createAheadCount: 1,
    retentionCount: 12,
    detachMode: 'blocking',
    dropAfter: '1 day 12 hours',
    maxRowsFromDefault: 0,
    partitionType: 'range',
    partitionStrategy: 'time-based',
  })

  it('keeps every choice', () => {
    expect(config.lifecycle).toEqual({
      creation: { kind: 'ahead', count: 1 },
      retention: { kind: 'newest', count: 12 },
      detach: 'blocking',
      drop: { kind: 'after', graceMicros: 129_600_000_000n },
    })
    expect(config.maxRowsFromDefault).toBe(0)
    expect(config.table).toEqual({ schema: 'app', name: 'events' })
  })

  it('spells the zone as the zone database does', () => {
    expect(config.timeZone).toBe('Europe/Berlin')
  })

  it('keeps detached tables for ever when dropAfter is never', () => {
    expect(new TablePartitionConfig({ ...minimal, dropAfter: 'never' }).lifecycle.drop).toEqual({
      kind: 'never',
    })
  })

  it('needs no retention for a grace period', () => {
    expect(TablePartitionConfig.problems({ ...minimal, dropAfter: '7 days' })).toEqual([])
  })

  it('needs no granularity, for services that have their own calculator', () => {
    expect(
      new TablePartitionConfig({ tableName: 'events', partitionColumn: 'at' }).granularity,
    ).toBeUndefined()
  })

  it('takes an option that is undefined as left out', () => {
    const options = { ...minimal, schema: undefined, retentionCount: undefined, dropAfter: undefined }
    expect(new TablePartitionConfig(options).toJSON()).toEqual(new TablePartitionConfig(minimal).toJSON())
  })
})

describe('the canonical form', () => {
  it('survives JSON, with microseconds as text', () => {
    const config = new TablePartitionConfig({ ...minimal, dropAfter: 'P7D', retentionCount: 2 })
    expect(JSON.parse(JSON.stringify(config))).toEqual({
      schema: 'public',
      tableName: 'events',
      partitionColumn: 'created_at',
      partitionType: 'range',
      partitionStrategy: 'time-based',
      granularity: 'month',
      timeZone: 'UTC',
      maxRowsFromDefault: 10_000,
      lifecycle: {
        creation: { kind: 'ahead', count: 3 },
        retention: { kind: 'newest', count: 2 },
        detach: 'auto',
        drop: { kind: 'after', graceMicros: '604800000000' },
      },
    })
  })

  it('is the same for the same wishes in other words', () => {
    const a = new TablePartitionConfig({ ...minimal, dropAfter: '7 days', timeZone: 'utc', schema: 'public' })
    const b = new TablePartitionConfig({ ...minimal, dropAfter: 'PT168H' })
    expect(JSON.stringify(a)).toBe(JSON.stringify(b))
  })

  it.each<[Partial<TablePartitionOptions>]>([
    [{ schema: 'app' }],
    [{ tableName: 'event' }],
    [{ partitionColumn: 'at' }],
    [{ granularity: 'day' }],
    [{ timeZone: 'Asia/Tokyo' }],
    [{ createAheadCount: 4 }],
    [{ retentionCount: 3 }],
    [{ detachMode: 'concurrent' }],
    [{ dropAfter: '1 second' }],
    [{ dropAfter: 'never' }],
    [{ maxRowsFromDefault: 1 }],
  ])('changes with %j', (change) => {
    const changed = JSON.stringify(new TablePartitionConfig({ ...minimal, ...change }))
    expect(changed).not.toBe(JSON.stringify(new TablePartitionConfig(minimal)))
  })
})

describe('TablePartitionConfig.from', () => {
  it('gives a config back as it is and makes one from options', () => {
    const config = new TablePartitionConfig(minimal)
    expect(TablePartitionConfig.from(config)).toBe(config)
    expect(TablePartitionConfig.from(minimal).toJSON()).toEqual(config.toJSON())
    expect(TablePartitionConfig.problems(config)).toEqual([])
  })

  it('does not trust an object that only looks like a config', () => {
    const copy = Object.assign({}, new TablePartitionConfig(minimal))
    const paths = TablePartitionConfig.problems(copy).map(({ path }) => path[0])
    expect(paths).toEqual(['table', 'lifecycle'])
  })
})

describe('problems', () => {
  it('are all listed in one error, with their paths', () => {
    const options: TablePartitionOptions = JSON.parse(
      '{"tableName":"","granularity":"mnth","retentionCout":12,"createAheadCount":0}',
    )
    const make = (): unknown => TablePartitionConfig.from(options)
    expect(make).toThrow(InvalidPartitionConfigError)
    expect(make).toThrow(
      [
        'The configuration has 5 problems:',
        '  tableName: It is empty: expected the name of the partitioned table.',
        "  partitionColumn: It is missing: expected the name of the partition key's column.",
        '  granularity: "mnth" is not a granularity; did you mean "month"?',
        '  createAheadCount: Expected a whole number from 1 to 1000, got 0.',
        '  retentionCout: There is no option "retentionCout" here; did you mean "retentionCount"?',
      ].join('\n'),
    )
    expect(TablePartitionConfig.problems(options).map(({ path }) => path)).toEqual([
      ['tableName'],
      ['partitionColumn'],
      ['granularity'],
      ['createAheadCount'],
      ['retentionCout'],
    ])
  })

  it('that are alone make one sentence with the table', () => {
    expect(() => new TablePartitionConfig({ ...minimal, schema: 'app', retentionCount: 0 })).toThrow(
      'The configuration of app.events cannot be used. retentionCount: Expected a whole number of at least 1, got 0.',
    )
  })

  it.each([[undefined], [null], [5], ['events'], [[]], [() => minimal]])(
    'say that %j is no options',
    (value) => {
      expect(TablePartitionConfig.problems(value)).toEqual([
        { path: [], message: expect.stringMatching(/expected the options of a table/i), at: 'value' },
      ])
    },
  )
})

describe('names', () => {
  const longest = `${'ü'.repeat(31)}x`

  it('may have 63 bytes, any character that PostgreSQL stores, and no more', () => {
    expect(Buffer.byteLength(longest)).toBe(63)
    for (const name of [longest, 'a.b', 'Ab "c"', '🐘', ' ']) {
      expect(
        TablePartitionConfig.problems({ ...minimal, schema: name, tableName: name, partitionColumn: name }),
      ).toEqual([])
    }
  })

  it.each(['schema', 'tableName', 'partitionColumn'])(
    'of 64 bytes are refused as %s, which PostgreSQL would cut',
    (key) => {
      expect(problem({ [key]: `${longest}y` })).toEqual({
        path: [key],
        message: `"${longest}y" takes 64 bytes: PostgreSQL would silently cut it to 63, so nothing can have this name.`,
      })
    },
  )

  it.each(['schema', 'tableName', 'partitionColumn'])(
    'with NUL or half a surrogate pair are refused as %s',
    (key) => {
      expect(message({ [key]: 'a\0b' })).toContain('NUL character')
      expect(message({ [key]: 'a\uD800' })).toContain('surrogate pair')
      expect(message({ [key]: '' })).toContain('It is empty')
      expect(message({ [key]: 7 })).toMatch(/got 7\.$/)
    },
  )
})

describe('values', () => {
  it.each([
    [{ createAheadCount: 0 }, 'Expected a whole number from 1 to 1000, got 0.'],
    [{ createAheadCount: 1001 }, 'Expected a whole number from 1 to 1000, got 1001.'],
    [{ createAheadCount: 1.5 }, 'Expected a whole number from 1 to 1000, got 1.5.'],
    [{ createAheadCount: Number.NaN }, 'Expected a whole number from 1 to 1000, got NaN.'],
    [{ createAheadCount: 1e300 }, 'Expected a whole number from 1 to 1000, got 1e+300.'],
    [{ createAheadCount: '3' }, 'Expected a whole number from 1 to 1000, got the text "3".'],
    [{ retentionCount: -1 }, 'Expected a whole number of at least 1, got -1.'],
    [{ retentionCount: null }, 'Expected a whole number of at least 1, got nothing (null).'],
    [{ maxRowsFromDefault: -1 }, 'Expected a whole number from 0 to 1000000, got -1.'],
    [{ schema: ['app'] }, 'Expected the name of a schema, got a list.'],
    [
      { granularity: 'fortnight' },
      '"fortnight" is not a granularity; it is one of "hour", "day", "week", "month", "quarter", "year".',
    ],
    [{ granularity: 'Month' }, '"Month" is not a granularity; did you mean "month"?'],
    [{ detachMode: 'concurrently' }, '"concurrently" is not a detach mode; did you mean "concurrent"?'],
    [{ detachMode: true }, 'Expected a detach mode ("auto", "concurrent", "blocking"), got true.'],
    [{ timeZone: 'Europe/Berln' }, 'There is no time zone "Europe/Berln"; did you mean "Europe/Berlin"?'],
    [{ timeZone: 'Nowhere' }, 'There is no time zone "Nowhere"; give an IANA name such as "Europe/Berlin".'],
    [{ timeZone: '+02:00' }, 'There is no time zone "+02:00"; give an IANA name such as "Europe/Berlin".'],
    [
      { partitionType: 'hash' },
      '"hash" partitioning is not maintained by this version: it takes tables partitioned by "range".',
    ],
    [{ partitionType: 1 }, 'Expected "range", got 1.'],
    [
      { partitionStrategy: 'size-based' },
      '"size-based" is not a strategy of this version: it is "time-based".',
    ],
    [{ dropAfter: 7 }, 'Expected a length of time such as "7 days", or "never", got 7.'],
    [
      { dropAfter: 'Never' },
      '"Never" is not a duration; write it like "7 days", "12 hours", "P7D" or "PT12H". "never" keeps the table.',
    ],
    [
      { dropAfter: '3 months' },
      '"3 months" has no fixed length, because months and years differ; give it in weeks, days or hours. "never" keeps the table.',
    ],
    [
      { dropAfter: '-1 day' },
      '"-1 day" is not a duration; write it like "7 days", "12 hours", "P7D" or "PT12H". "never" keeps the table.',
    ],
  ])('%j: %s', (change, sentence) => {
    expect(message(change)).toBe(sentence)
  })

  it('does not take a bigint for a number', () => {
    expect(message({ createAheadCount: 3n })).toBe('Expected a whole number from 1 to 1000, got 3n.')
  })

  it('cuts a very long text in the sentence', () => {
    expect(message({ createAheadCount: 'x'.repeat(1_000) }).length).toBeLessThan(200)
  })
})

describe('unknown keys', () => {
  it.each([
    ['retentionCout', 'did you mean "retentionCount"?'],
    ['create_ahead_count', 'did you mean "createAheadCount"?'],
    ['premake', 'did you mean "createAheadCount"?'],
    ['interval', 'did you mean "granularity"?'],
    ['tz', 'did you mean "timeZone"?'],
    ['zzz', 'the options are tableName, schema, partitionColumn'],
    ['constructor', 'the options are tableName'],
    ['a\nb', 'There is no option "a\\nb" here'],
  ])('%s is a problem of its own', (key, hint) => {
    const found = problem({ [key]: 1 })
    expect(found.path).toEqual([key])
    expect(found.message).toContain(hint)
  })

  it('are each reported, also those that JSON can smuggle in', () => {
    const options: unknown = JSON.parse(
      '{"tableName":"a","partitionColumn":"b","__proto__":{"x":1},"p":1,"q":2}',
    )
    const problems = TablePartitionConfig.problems(options)
    expect(problems.map(({ path }) => path)).toEqual([['__proto__'], ['p'], ['q']])
  })
})
