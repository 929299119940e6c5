import { describe, expect, it } from 'vitest'
import { renderDraft } from '../../../../src/cli/init/config-draft.ts'
import { deriveTable } from '../../../../src/cli/init/derive-table.ts'
import {
  calculatorFor,
  Instant,
  parseBound,
  parseDocument,
  PartitionGranularity,
  type Partition,
  type PartitionTree,
} from '../../../../src/index.ts'
import { events } from '../../../support/cli-views.ts'

type Key = PartitionTree['parent']['key'][number]

const timestamptz: Key = { name: 'created_at', expression: undefined, type: 'timestamp with time zone' }

function treeOf(
  bounds: readonly string[],
  key: readonly Key[] = [timestamptz],
  method: 'range' | 'list' = 'range',
): PartitionTree {
  const relation = {
    kind: 'table',
    owner: 'o',
    owned: true,
    ownerIsTrusted: true,
    rowEstimate: 0,
    sizeBytes: 0,
    comment: undefined,
  } as const
  return {
    server: {
      versionNum: 180_004,
      now: Instant.from('2026-03-15T12:00:00Z'),
      inRecovery: false,
      role: 'o',
      database: 'd/1',
      deadlockTimeoutMs: 1_000,
      shortestDeadlockTimeoutMs: 1_000,
    },
    parent: {
      oid: '1',
      name: events,
      method,
      key,
      columns: [],
      uniqueKeys: [],
      referencedBy: [],
      foreignKeys: [],
      owner: 'o',
      owned: true,
      mayCreate: true,
      mayEmptyDefault: true,
      excludes: false,
    },
    partitions: bounds.map((boundText, index): Partition => ({
      ...relation,
      oid: String(index),
      name: { schema: 'app', name: `anything ${index}` },
      boundText,
      bound: parseBound(boundText),
      detachPending: false,
      marker: undefined,
    })),
    detached: [],
  }
}

function text(at: Instant): string {
  return at.toString().replace('T', ' ').replace('Z', '+00')
}

/** The bounds of consecutive periods, as PostgreSQL prints them in UTC. */
function boundsOf(granularity: PartitionGranularity, timeZone: string, count = 8): readonly string[] {
  const calculator = calculatorFor(granularity, timeZone)
  let period = calculator.currentPeriod(Instant.from('2025-02-14T00:00:00Z'))
  return Array.from({ length: count }, () => {
    const { start, end } = period
    period = calculator.currentPeriod(end)
    return `FOR VALUES FROM ('${text(start)}') TO ('${text(end)}')`
  })
}

function why(tree: PartitionTree): string | undefined {
  const derived = deriveTable(tree, { hostZone: 'UTC' })
  return derived.kind === 'left-out' ? derived.reason : undefined
}

describe('what a table says about its configuration', () => {
  it.each(Object.values(PartitionGranularity))('is its granularity: %s', (granularity) => {
    expect(deriveTable(treeOf(boundsOf(granularity, 'UTC')), { hostZone: 'UTC' })).toEqual({
      kind: 'table',
      table: events,
      partitionColumn: 'created_at',
      granularity,
      timeZone: 'UTC',
      notes: [],
    })
  })

  it.each(['Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Pacific/Auckland', 'Australia/Lord_Howe'])(
    'is its zone: %s',
    (timeZone) => {
      for (const granularity of ['day', 'week', 'month', 'quarter', 'year'] as const) {
        const derived = deriveTable(treeOf(boundsOf(granularity, timeZone, 60)), { hostZone: timeZone })
        expect(derived).toMatchObject({ kind: 'table', granularity, timeZone })
      }
      // Without a hint from the machine it is a zone with the same days.
      const derived = deriveTable(treeOf(boundsOf('day', timeZone, 400)), { hostZone: 'UTC' })
      const zone = derived.kind === 'table' ? derived.timeZone : ''
      expect(boundsOf('day', zone, 400)).toEqual(boundsOf('day', timeZone, 400))
    },
  )

  it('says which other zones would fit, and when some partitions do not fit', () => {
    const derived = deriveTable(treeOf([...boundsOf('day', 'Europe/Berlin', 5), 'DEFAULT']), {
      hostZone: 'Europe/Paris',
    })
    expect(derived).toMatchObject({ timeZone: 'Europe/Paris' })
    expect(derived.kind === 'table' && derived.notes.join(' ')).toMatch(
      /The zone is read from the bounds\. Europe\/Berlin and \d+ more fit as well\./,
    )
    const odd = `FOR VALUES FROM ('2020-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')`
    expect(deriveTable(treeOf([odd, ...boundsOf('month', 'UTC')]), { hostZone: 'UTC' })).toMatchObject({
      granularity: 'month',
      notes: ['Of 9 partitions that were looked at, 8 fit this calendar; the others are left as they are.'],
    })
  })

  it('is read from wall clocks in no zone, with a note', () => {
    for (const type of ['date', 'timestamp without time zone']) {
      const bounds = boundsOf('week', 'UTC').map((bound) => bound.replaceAll(' 00:00:00+00', ''))
      expect(
        deriveTable(treeOf(bounds, [{ ...timestamptz, type }]), { hostZone: 'Asia/Tokyo' }),
      ).toMatchObject({
        granularity: 'week',
        timeZone: 'UTC',
        notes: [
          'The key has no zone: set timeZone to the one that its values are written in, and runtime.ddlTimezone to the same (null where tables have several).',
        ],
      })
    }
  })

  it('is a reason where it cannot be maintained', () => {
    expect(why(treeOf([], [timestamptz], 'list'))).toBe('it is partitioned by LIST')
    expect(why(treeOf([], [timestamptz, timestamptz]))).toBe('its key has 2 columns')
    expect(why(treeOf([], [{ ...timestamptz, name: undefined, expression: 'f(x)' }]))).toBe(
      'its key is an expression',
    )
    expect(why(treeOf([], [{ ...timestamptz, type: 'bigint' }]))).toBe(
      'its key created_at is of type bigint, and this version maintains times',
    )
    expect(why(treeOf(['DEFAULT']))).toMatch(/^it has no partition with a range yet/)
    const halves = ["FROM (MINVALUE) TO ('2026-11-01')", "FROM ('2026-11-01') TO (MAXVALUE)"]
    expect(why(treeOf(halves.map((half) => `FOR VALUES ${half}`)))).toMatch(
      /^its partitions are open-ended \(MINVALUE or MAXVALUE\), so it cannot be seen/,
    )
    const fiveDays = `FOR VALUES FROM ('2025-01-02 00:00:00+00') TO ('2025-01-07 00:00:00+00')`
    expect(why(treeOf([fiveDays]))).toBe('its partitions fit no hour, day, week, month, quarter or year')
  })
})

describe('a draft of a configuration', () => {
  const table = {
    kind: 'table',
    partitionColumn: 'at',
    granularity: 'day',
    notes: ['A note\nin two lines.'],
  } as const
  const draft = {
    from: 'postgres://u@h:5432/d',
    tables: [
      { ...table, table: { schema: 'app', name: 'yes' }, timeZone: 'Europe/Berlin' },
      { ...table, table: { schema: 'My "app"', name: 'a: #b\n💥' }, timeZone: 'Europe/Berlin' },
    ],
    leftOut: [{ table: { schema: 'app', name: 'x\ny' }, reason: 'it is partitioned by HASH' }],
  }

  it('is read back with the zone of its tables, whatever they are called', () => {
    const read = parseDocument(JSON.parse(renderDraft(draft, 'json')))
    expect(read).toMatchObject({
      document: {
        runtime: { ddlTimezone: 'Europe/Berlin' },
        tables: [
          {
            config: { schema: 'app', tableName: 'yes', timeZone: 'Europe/Berlin', retentionCount: undefined },
          },
          { config: { schema: 'My "app"', tableName: 'a: #b\n💥' } },
        ],
      },
    })
    const mixed = {
      ...draft,
      tables: draft.tables.map((each, index) => ({ ...each, timeZone: index === 0 ? 'UTC' : 'Asia/Tokyo' })),
    }
    expect(parseDocument(JSON.parse(renderDraft(mixed, 'json')))).toMatchObject({
      document: { runtime: { ddlTimezone: null } },
    })
  })

  it.each([
    ['hour', 72],
    ['day', 90],
    ['week', 52],
    ['month', 12],
    ['quarter', 8],
    ['year', 5],
  ] as const)(
    'suggests a retention that fits its granularity (%s), with a grace period beside it',
    (granularity, count) => {
      const one = {
        ...draft,
        tables: [{ ...table, granularity, table: { schema: 'app', name: 'events' }, timeZone: 'UTC' }],
      }
      expect(renderDraft(one, 'yaml')).toContain(
        `    # retentionCount: ${count} # without it nothing ever expires; it counts the current partition
    # dropAfter: 7 days # how long a detached partition can be taken back; left out, it is dropped by the run that detaches it
`,
      )
      expect(renderDraft(one, 'ts')).toContain(`      // retentionCount: ${count}, // without it`)
      expect(renderDraft(one, 'ts')).toContain(`      // dropAfter: '7 days', // how long`)
    },
  )

  it('keeps every comment on its line', () => {
    for (const format of ['yaml', 'ts'] as const) {
      const text = renderDraft(draft, format)
      expect(text).toContain(String.raw`A note\nin two lines.`)
      expect(text).toContain(String.raw`app."x\ny": it is partitioned by HASH`)
      expect(text).toContain(format === 'yaml' ? 'tableName: "yes"' : 'tableName: "yes",')
      expect(text.endsWith('\n')).toBe(true)
    }
  })
})
