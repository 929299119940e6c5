import { describe, expect, it } from 'vitest'

import { hazardsOfLocks, lockOfNew, lockUse } from '../../../src/plan/lock-use.ts'

const events = { schema: 'app', name: 'events' }
const tenants = { schema: 'app', name: 'tenants' }

describe('the hazards of locks', () => {
  it('are none where reads and writes go on, and where nobody can use the table yet', () => {
    expect(hazardsOfLocks([lockUse('parent', events, 'SHARE UPDATE EXCLUSIVE'), lockOfNew(tenants)])).toEqual(
      [],
    )
  })

  it('say that writes wait for the lock that a foreign key takes', () => {
    expect(
      hazardsOfLocks([
        lockUse('parent', events, 'SHARE UPDATE EXCLUSIVE'),
        lockUse('referenced', tenants, 'SHARE ROW EXCLUSIVE'),
      ]),
    ).toEqual(['blocks-writes'])
  })

  it('say both of two tables where one is closed to readers and the other to writers', () => {
    expect(
      hazardsOfLocks([
        lockUse('parent', events, 'ACCESS EXCLUSIVE'),
        lockUse('referencing', tenants, 'SHARE ROW EXCLUSIVE'),
      ]),
    ).toEqual(['access-exclusive-lock', 'cancels-standby-queries', 'blocks-writes'])
  })
})
