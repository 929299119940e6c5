import { describe, expect, test } from 'vitest'

import type { Marker, NewMarker } from '../../../src/model/marker.ts'
import type { MarkerFacts } from '../../../src/model/marker-facts.ts'
import {
  decodeMarker,
  defaultMarkerPrefix,
  encodeMarker,
  isMarkerOf,
  markerHeads,
  namesParent,
  validateMarkerPrefix,
  whyNotTrusted,
  withMarker,
  withoutMarker,
} from '../../../src/model/marker.ts'

const prefix = defaultMarkerPrefix
const facts: MarkerFacts = {
  oid: '16412',
  database: '7301234567890123456/16384',
  parentOid: '16400',
  parent: { schema: 'app', name: 'events' },
  bound: "FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')",
}
const orphan: NewMarker = { kind: 'orphan', detachedAt: '2026-03-08T05:00:00.5Z', facts }
const building: NewMarker = { kind: 'building', facts }

const json = (change: Record<string, unknown>): string => JSON.stringify({ v: 1, ...facts, ...change })

function markerIn(comment: string): Marker {
  const { marker } = decodeMarker(comment, prefix)
  if (marker === undefined) throw new Error(`no marker in ${comment}`)
  return marker
}

describe('encodeMarker', () => {
  test('writes the lines that the Python tool reads, one line of JSON, and the comment of the user', () => {
    expect(encodeMarker(orphan, { prefix, userComment: 'January\n(keep)' }).split('\n')).toEqual([
      'pg-partsmith:orphan-parent=app.events',
      'pg-partsmith:detached-at=2026-03-08T05:00:00.500000+00:00',
      `pg-partsmith:json=${JSON.stringify({ v: 1, ...facts })}`,
      'January',
      '(keep)',
    ])
  })

  test('writes an instant without a fraction when it has none, and no second line when it is not known', () => {
    const whole = encodeMarker(
      { ...orphan, detachedAt: '2026-03-08T00:00:00-05:00' },
      { prefix, userComment: null },
    )
    expect(whole.split('\n')[1]).toBe('pg-partsmith:detached-at=2026-03-08T05:00:00+00:00')
    const unknown = encodeMarker({ ...orphan, detachedAt: undefined }, { prefix, userComment: null })
    expect(unknown.split('\n')[1]).toMatch(/^pg-partsmith:json=/)
  })

  test('writes a building marker in two lines', () => {
    expect(encodeMarker(building, { prefix: 'acme', userComment: null }).split('\n')).toEqual([
      'acme:building-parent=app.events',
      `acme:json=${JSON.stringify({ v: 1, ...facts })}`,
    ])
  })

  test('refuses a bound that cannot be read, an instant without a zone and a prefix that would break the lines', () => {
    const unreadable: NewMarker = {
      kind: 'building',
      facts: { ...facts, bound: 'FOR VALUES FROM (now()) TO (1)' },
    }
    expect(() => encodeMarker(unreadable, { prefix, userComment: null })).toThrow(/cannot be read/)
    expect(() =>
      encodeMarker({ ...orphan, detachedAt: '2026-03-08T05:00:00' }, { prefix, userComment: null }),
    ).toThrow(/no zone/)
    expect(() => encodeMarker(building, { prefix: 'a=b', userComment: null })).toThrow(/prefix "a=b"/)
  })
})

describe('decodeMarker', () => {
  const head = 'pg-partsmith:orphan-parent=app.events'
  const stamp = 'pg-partsmith:detached-at=2026-03-08T05:00:00.123456+00:00'
  const python = { kind: 'orphan', parentText: 'app.events', facts: undefined } as const

  test('gives back what was encoded', () => {
    expect(decodeMarker(encodeMarker(orphan, { prefix, userComment: 'x' }), prefix)).toEqual({
      marker: { ...orphan, parentText: 'app.events' },
      userComment: 'x',
    })
    expect(decodeMarker(encodeMarker(building, { prefix, userComment: null }), prefix)).toEqual({
      marker: { ...building, parentText: 'app.events' },
      userComment: null,
    })
  })

  test.each([
    null,
    '',
    '\n',
    ' ',
    'a\r\nb',
    head,
    stamp,
    'pg-partsmith:json={}',
    'pg-partsmith',
    `${head}\n${stamp}\nx`,
  ])(
    'keeps the comment %j apart from every other, also when it looks like a part of a marker',
    (userComment) => {
      for (const marker of [orphan, building, { ...orphan, detachedAt: undefined }]) {
        const decoded = decodeMarker(encodeMarker(marker, { prefix, userComment }), prefix)
        expect(decoded.userComment).toBe(userComment)
        expect(decoded.marker?.kind).toBe(marker.kind)
      }
    },
  )

  test('recognises markers of the Python tool, which have two lines or one', () => {
    expect(decodeMarker(`${head}\n${stamp}`, prefix)).toEqual({
      marker: { ...python, detachedAt: '2026-03-08T05:00:00.123456Z' },
      userComment: null,
    })
    expect(decodeMarker(`${head}\n${stamp}\nold\ncomment`, prefix)).toEqual({
      marker: { ...python, detachedAt: '2026-03-08T05:00:00.123456Z' },
      userComment: 'old\ncomment',
    })
    expect(decodeMarker(head, prefix)).toEqual({
      marker: { ...python, detachedAt: undefined },
      userComment: null,
    })
    expect(decodeMarker(`${head}\nold comment`, prefix)).toEqual({
      marker: { ...python, detachedAt: undefined },
      userComment: 'old comment',
    })
  })

  test.each([
    undefined,
    null,
    '',
    'a comment',
    'pg-partsmith',
    'pg-partsmith:json={"v":1}',
    ` ${head}`,
    `\n${head}`,
    'Pg-Partsmith:orphan-parent=app.events',
    'pg-partsmith-2:orphan-parent=app.events',
    'other:orphan-parent=app.events',
  ])('finds no marker in %j', (comment) => {
    expect(decodeMarker(comment, prefix)).toEqual({ marker: undefined, userComment: comment ?? null })
    expect(isMarkerOf(comment, prefix)).toBe(false)
  })

  test.each([
    ['{"v":1,', /not JSON/],
    ['', /not JSON/],
    ['[]', /no object as its JSON line/],
    ['null', /no object as its JSON line/],
    [json({ v: 2 }), /version 2, and this release reads version 1/],
    [json({ v: undefined }), /version null/],
    [json({ oid: 16412 }), /no OID as its oid/],
    [json({ oid: '0' }), /no OID as its oid/],
    [json({ parentOid: '1; DROP' }), /no OID as its parentOid/],
    [json({ database: '' }), /no text as its database/],
    [json({ parent: 'app.events' }), /no object as its parent/],
    [json({ parent: { schema: 'app' } }), /no text as its parent.name/],
    [json({ parent: { schema: 'app', name: 'other' } }), /one parent in its first line and another/],
    [json({ bound: undefined }), /no text as its bound/],
    [json({ bound: 'FOR VALUES IN (1' }), /a bound that cannot be read/],
  ])('calls a marker with the JSON line %j damaged', (line, reason) => {
    const decoded = decodeMarker(`${head}\n${stamp}\npg-partsmith:json=${line}\nmine`, prefix)
    expect(decoded).toEqual({
      marker: { kind: 'damaged', parentText: 'app.events', reason: expect.stringMatching(reason) },
      userComment: 'mine',
    })
  })

  test('calls a marker damaged whose instant cannot be read or has no zone', () => {
    for (const instant of ['', 'yesterday', '2026-03-08T05:00:00', '2026-13-08T05:00:00Z']) {
      const { marker } = decodeMarker(`${head}\npg-partsmith:detached-at=${instant}`, prefix)
      expect(marker).toMatchObject({
        kind: 'damaged',
        reason: expect.stringContaining(JSON.stringify(instant)),
      })
    }
  })

  test('calls a building marker without its JSON line damaged', () => {
    const { marker } = decodeMarker('pg-partsmith:building-parent=app.events\nx', prefix)
    expect(marker).toEqual({ kind: 'damaged', parentText: 'app.events', reason: 'has no JSON line' })
  })
})

describe('withMarker and withoutMarker', () => {
  test('a second detach, and a detach after one that died in the middle, leave the comment of the user as it was', () => {
    for (const comment of [null, 'mine', 'pg-partsmith: ours since 2024', 'pg-partsmith:json=1']) {
      const first = withMarker(comment, orphan, prefix)
      const again = withMarker(first, { ...orphan, detachedAt: '2026-04-01T00:00:00Z' }, prefix)
      expect(withoutMarker(first, prefix)).toBe(comment)
      expect(withoutMarker(again, prefix)).toBe(comment)
      expect(again.split(markerHeads(prefix).orphan)).toHaveLength(2)
      expect(withMarker(withoutMarker(again, prefix), orphan, prefix)).toBe(first)
    }
  })

  test('a building marker gives way to an orphan marker', () => {
    expect(withMarker(withMarker('mine', building, prefix), orphan, prefix)).toBe(
      withMarker('mine', orphan, prefix),
    )
  })

  test('no marker stays behind when another tool put its own on top of ours', () => {
    const layers = `pg-partsmith:orphan-parent=app.events\n${withMarker('mine', orphan, prefix)}`
    expect(withoutMarker(layers, prefix)).toBe('mine')
  })

  test('a damaged marker is taken off too', () => {
    const damaged = 'pg-partsmith:orphan-parent=app.events\npg-partsmith:json={'
    expect(withoutMarker(`${damaged}\nmine`, prefix)).toBe('mine')
    expect(withoutMarker(damaged, prefix)).toBeNull()
  })

  test('markers of another prefix are the text of the user', () => {
    const other = withMarker('mine', orphan, 'other')
    expect(withoutMarker(withMarker(other, orphan, prefix), prefix)).toBe(other)
  })
})

describe('namesParent', () => {
  const events = { oid: '16400', name: { schema: 'app', name: 'events' } }
  test('goes by OID or by name where the marker has facts', () => {
    const marker = markerIn(encodeMarker(orphan, { prefix, userComment: null }))
    expect(namesParent(marker, events)).toBe(true)
    expect(namesParent(marker, { ...events, name: { schema: 'app', name: 'renamed' } }), 'renamed').toBe(true)
    expect(namesParent(marker, { ...events, oid: '99' }), 'made again').toBe(true)
    expect(namesParent(marker, { oid: '99', name: { schema: 'app', name: 'event' } })).toBe(false)
  })

  test('goes by the plain dotted text where it has none', () => {
    const marker = markerIn('pg-partsmith:orphan-parent=App.Café events')
    expect(namesParent(marker, { oid: '1', name: { schema: 'App', name: 'Café events' } })).toBe(true)
    expect(namesParent(marker, { oid: '1', name: { schema: 'app', name: 'café events' } })).toBe(false)
    expect(namesParent(markerIn('pg-partsmith:orphan-parent="app"."events"'), events)).toBe(false)
  })

  test('keeps tables apart whose names have dots or line ends in them', () => {
    const hostile = [
      { schema: 'a.b', name: 'c' },
      { schema: 'a', name: 'b.c' },
      { schema: 'a\nb', name: 'c' },
      { schema: 'a\\nb', name: 'c' },
    ]
    for (const parent of hostile) {
      const marker = markerIn(
        encodeMarker({ kind: 'building', facts: { ...facts, parent } }, { prefix, userComment: null }),
      )
      const named = hostile.filter((name) => namesParent(marker, { oid: '1', name }))
      expect(named).toEqual([parent])
    }
    const bare = markerIn('pg-partsmith:orphan-parent=a.b.c')
    expect(hostile.filter((name) => namesParent(bare, { oid: '1', name }))).toEqual([])
  })

  test('a damaged marker is shown under every parent that it may mean', () => {
    const damaged = markerIn('pg-partsmith:building-parent=a.b.c')
    expect(namesParent(damaged, { oid: '1', name: { schema: 'a.b', name: 'c' } })).toBe(true)
    expect(namesParent(damaged, events)).toBe(false)
  })
})

describe('whyNotTrusted', () => {
  const here = { oid: facts.oid, database: facts.database, parentOid: facts.parentOid }
  const marker = { ...orphan, parentText: 'app.events' }

  test('trusts the table that the marker was written for, and a marker that says nothing of it', () => {
    expect(whyNotTrusted(marker, here)).toBeUndefined()
    expect(whyNotTrusted({ ...marker, facts: undefined }, { ...here, oid: '1' })).toBeUndefined()
  })

  test('says why a copy, a restored table and a table of an earlier parent are not trusted', () => {
    expect(whyNotTrusted(marker, { ...here, oid: '1' })).toMatch(/another table \(OID 16412, this one is 1\)/)
    expect(whyNotTrusted(marker, { ...here, database: '1/2' })).toMatch(/in another database/)
    expect(whyNotTrusted(marker, { ...here, parentOid: '1' })).toMatch(
      /another partitioned table \(app.events/,
    )
    expect(whyNotTrusted({ kind: 'damaged', parentText: 'x', reason: 'has no JSON line' }, here)).toBe(
      'has no JSON line',
    )
  })
})

describe('validateMarkerPrefix', () => {
  test.each(['pg-partsmith', 'p', 'x'.repeat(64), 'Größe 9', '100%_'])('takes %j', (good) => {
    expect(validateMarkerPrefix(good)).toBeUndefined()
    expect(isMarkerOf(encodeMarker(building, { prefix: good, userComment: null }), good)).toBe(true)
  })

  test.each(['', 'x'.repeat(65), 'a:b', 'a=b', 'a\nb', 'a\rb', 'a\0b', 'a\u2028b', 'a\ud83d'])(
    'refuses %j',
    (bad) => {
      expect(validateMarkerPrefix(bad)).toMatch(/prefix/)
    },
  )
})
