import { describe, expect, it } from 'vitest'

import type { LockHolder } from '../../../src/plan/blocker.ts'
import { adviceAbout, describeHolder, givesWay, inTheWay } from '../../../src/plan/blocker.ts'

const events = { schema: 'app', name: 'events' }
const rest = { schema: 'app', name: 'rest' }
const reader: LockHolder = {
  relation: events,
  mode: 'ACCESS SHARE',
  pid: 7,
  backendType: 'client backend',
  application: 'psql',
  state: 'idle in transaction',
  ageMs: 6_200,
  query: 'SELECT\n  1',
}
const vacuum: LockHolder = {
  relation: rest,
  mode: 'SHARE UPDATE EXCLUSIVE',
  pid: 8,
  backendType: 'autovacuum worker',
}
const owner = { role: 'keeper', mayHurry: false }

describe('who is in the way of a lock', () => {
  it('are those whose mode conflicts on the same table, each once', () => {
    const holders = [reader, { ...reader, mode: 'ROW EXCLUSIVE' as const }, vacuum]
    expect(inTheWay([{ relation: events, mode: 'SHARE UPDATE EXCLUSIVE' }], holders)).toEqual([])
    expect(inTheWay([{ relation: events, mode: 'ACCESS EXCLUSIVE' }], holders)).toEqual([reader])
    expect(inTheWay([{ relation: rest, mode: 'SHARE UPDATE EXCLUSIVE' }], holders)).toEqual([vacuum])
  })

  it('is told in a sentence with what is known of it', () => {
    expect(describeHolder(reader)).toBe(
      'pid 7 (psql, idle in transaction, transaction open for 6.2 s, last statement: SELECT 1) holds ACCESS SHARE on app.events',
    )
    expect(describeHolder({ relation: events, mode: 'ACCESS SHARE', pid: 9, hidden: true })).toBe(
      'pid 9 (its query is hidden) holds ACCESS SHARE on app.events',
    )
    expect(describeHolder({ relation: events, mode: 'ROW EXCLUSIVE', prepared: 'tx-1', ageMs: 60_000 })).toBe(
      "the prepared transaction 'tx-1' (transaction open for 60 s) holds ROW EXCLUSIVE on app.events",
    )
  })
})

describe('what to grant', () => {
  it('is how to end a transaction that nobody has worked in for long, once for each session', () => {
    const rows = { ...reader, mode: 'ROW EXCLUSIVE' as const }
    expect(adviceAbout([reader, rows], owner)).toEqual([
      'The transaction of pid 7 stays until its program ends it; where its work may be lost, SELECT pg_terminate_backend(7) does.',
    ])
  })

  it('is nothing where all is seen and nothing can be done', () => {
    expect(adviceAbout([{ ...reader, ageMs: 400 }], owner)).toEqual([])
    expect(adviceAbout([{ ...reader, state: 'active' }], owner)).toEqual([])
    expect(adviceAbout([vacuum], { ...owner, mayHurry: true })).toEqual([])
  })

  it('moves an autovacuum aside, and is not promised to where that prevents wraparound', () => {
    expect(adviceAbout([vacuum], owner)).toEqual([
      'An autovacuum gives way to a role that may set deadlock_timeout: GRANT SET ON PARAMETER deadlock_timeout TO keeper.',
    ])
    const stays = { ...vacuum, preventsWraparound: true } as const
    expect(adviceAbout([stays], owner).join('\n')).not.toContain('GRANT')
    expect([vacuum, stays, reader].map(givesWay)).toEqual([true, false, false])
  })

  it('shows what is hidden, and says what may be behind it', () => {
    expect(adviceAbout([{ ...vacuum, hidden: true }], owner)).toEqual([
      'An autovacuum gives way to a role that may set deadlock_timeout, unless it prevents transaction ID wraparound: GRANT SET ON PARAMETER deadlock_timeout TO keeper.',
      'To see what the sessions of other roles run: GRANT pg_read_all_stats TO keeper.',
    ])
    expect(adviceAbout([{ ...vacuum, hidden: true }], { ...owner, mayHurry: true })).toEqual([
      'An autovacuum gives way to this role, unless it prevents transaction ID wraparound, which is hidden from it.',
      'To see what the sessions of other roles run: GRANT pg_read_all_stats TO keeper.',
    ])
  })
})
