import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'

import { formatBound } from '../../src/model/bound-text.ts'
import type { Bound } from '../../src/model/bound.ts'
import type { NewMarker } from '../../src/model/marker.ts'
import {
  decodeMarker,
  encodeMarker,
  isMarkerOf,
  markerHeads,
  namesParent,
  validateMarkerPrefix,
  withMarker,
  withoutMarker,
} from '../../src/model/marker.ts'
import { ident, literal, sql, toText } from '../../src/sql/sql.ts'
import type { TestDatabase } from '../support/database.ts'
import { createDatabase, describeEachServer } from '../support/database.ts'

const piece = fc.constantFrom(
  'pg-partsmith',
  ':orphan-parent=',
  ':building-parent=',
  ':detached-at=',
  ':json=',
  'app.events',
  '2026-03-08T05:00:00Z',
  '{"v":1}',
  '{',
  '.',
  '\n',
  '\r\n',
  '\\n',
  "'",
  '\\',
  '%',
  ' ',
  '🐘',
)
const text = fc.oneof(
  fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary', maxLength: 30 }).map((any) => any.replaceAll('\0', '')),
)
const name = text.map((any) => any || 'n')
const prefix = fc.oneof(
  fc.constantFrom('pg-partsmith', 'pg-partsmith-2', '100%_', '\\'),
  fc.string({ minLength: 1, maxLength: 20 }).filter((any) => validateMarkerPrefix(any) === undefined),
)
const oid = fc.integer({ min: 1, max: 2 ** 32 - 1 }).map(String)
const bound = fc
  .array(fc.option(text), { minLength: 1, maxLength: 3 })
  .map((values): Bound => ({ kind: 'list', values }))

const facts = fc.record({
  oid,
  database: fc.tuple(oid, oid).map((ids) => ids.join('/')),
  parentOid: oid,
  parent: fc.record({ schema: name, name }),
  bound: fc.option(bound.map(formatBound), { nil: undefined }),
})
const detachedAt = fc.option(
  fc
    .tuple(
      fc.date({
        min: new Date('1970-01-01T00:00:00Z'),
        max: new Date('2100-01-01T00:00:00Z'),
        noInvalidDate: true,
      }),
      fc.nat(999),
    )
    .map(([date, micros]) =>
      date
        .toISOString()
        .replace('Z', `${String(micros).padStart(3, '0')}Z`)
        .replace(/\.?0*Z$/, 'Z'),
    ),
  { nil: undefined },
)
const marker: fc.Arbitrary<NewMarker> = fc.oneof(
  fc.record({ kind: fc.constant('orphan' as const), detachedAt, facts }),
  fc.record({ kind: fc.constant('building' as const), facts }),
)

describe('markers', () => {
  test('taking a comment apart gives back the marker and the very comment of the user', () => {
    fc.assert(
      fc.property(marker, prefix, fc.option(text), (marker, prefix, userComment) => {
        const decoded = decodeMarker(encodeMarker(marker, { prefix, userComment }), prefix)
        expect(decoded).toEqual({ marker: { ...marker, parentText: expect.any(String) }, userComment })
        expect(decoded.marker && namesParent(decoded.marker, { oid: '0', name: marker.facts.parent })).toBe(
          true,
        )
      }),
      { numRuns: 1_000 },
    )
  })

  test('marking twice and clearing leaves what was there, unless that began as a marker itself', () => {
    fc.assert(
      fc.property(fc.tuple(marker, marker), prefix, fc.option(text), ([first, second], prefix, comment) => {
        fc.pre(!isMarkerOf(comment, prefix))
        const marked = withMarker(withMarker(comment, first, prefix), second, prefix)
        expect(marked).toBe(withMarker(comment, second, prefix))
        expect(withoutMarker(marked, prefix)).toBe(comment)
      }),
      { numRuns: 1_000 },
    )
  })

  test('any text whatever is taken apart without an error, and a marker of one line is enough to be none of the user', () => {
    fc.assert(
      fc.property(text, fc.constantFrom('', ':orphan-parent=', ':building-parent='), (rest, head) => {
        const comment = head === '' ? rest : `pg-partsmith${head}${rest}`
        const { marker } = decodeMarker(comment, 'pg-partsmith')
        expect(marker !== undefined).toBe(isMarkerOf(comment, 'pg-partsmith'))
        expect(isMarkerOf(withoutMarker(comment, 'pg-partsmith'), 'pg-partsmith')).toBe(false)
      }),
      { numRuns: 1_000 },
    )
  })
})

describeEachServer('markers in COMMENT', (major) => {
  let database: TestDatabase
  beforeAll(async () => {
    database = await createDatabase(major)
    await database.sql('CREATE TABLE marked (id int)')
  })

  test('a marker comes back from the catalog as it was written, and starts_with finds it', async () => {
    await fc.assert(
      fc.asyncProperty(marker, prefix, fc.option(text), async (marker, prefix, userComment) => {
        const comment = encodeMarker(marker, { prefix, userComment })
        await database.sql(toText(sql`COMMENT ON TABLE ${ident('marked')} IS ${literal(comment)}`))
        const heads = markerHeads(prefix)
        const rows = await database.sql(
          `SELECT description AS comment, starts_with(description, $1) AS orphan, starts_with(description, $2) AS building
           FROM pg_description WHERE objoid = 'marked'::regclass`,
          [heads.orphan, heads.building],
        )
        expect(rows).toEqual([
          { comment, orphan: marker.kind === 'orphan', building: marker.kind === 'building' },
        ])
      }),
      { numRuns: 50 },
    )
  })
})
