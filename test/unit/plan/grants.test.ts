import { describe, expect, it } from 'vitest'

import type { OwnerFacts, TableRights } from '../../../src/plan/grants.ts'
import { missingGrants } from '../../../src/plan/grants.ts'

const table = { schema: 'app', name: 'events' }
const owner: OwnerFacts = {
  name: 'app_owner',
  isSuperuser: false,
  inherited: true,
  becomes: true,
  owns: [{ table, is: 'parent' }],
}
const complete: TableRights = {
  table,
  database: 'shop',
  role: {
    name: 'keeper',
    isSuperuser: false,
    inheritsRights: true,
    mayConnect: true,
    maySetDeadlockTimeout: true,
    seesAllSessions: true,
  },
  owners: [owner],
  schema: { name: 'app', isUsed: true, ownerCreates: true },
  tablespaces: [],
  referencedBy: [],
}
const kinds = (rights: TableRights, retires = true): readonly string[] =>
  missingGrants(rights, { retires }).map(({ kind }) => kind)

const anotherOwns = (is: 'default' | 'partition' | 'detached'): TableRights => ({
  ...complete,
  owners: [owner, { ...owner, name: 'another', inherited: false, becomes: false, owns: [{ table, is }] }],
})

describe('what a role is missing', () => {
  it('is nothing when it has everything', () => {
    expect(missingGrants(complete, { retires: true })).toEqual([])
  })

  it('is nothing for a superuser, whatever the catalog says', () => {
    const rights = { ...complete, owners: [{ ...owner, inherited: false, becomes: false }] }
    expect(kinds(rights)).toEqual(['membership'])
    expect(kinds({ ...rights, role: { ...rights.role, isSuperuser: true } })).toEqual([])
  })

  it('comes in an order in which it can be granted', () => {
    const rights: TableRights = {
      ...complete,
      role: { ...complete.role, mayConnect: false, maySetDeadlockTimeout: false, seesAllSessions: false },
      owners: [{ ...owner, inherited: false, becomes: false }],
      schema: { name: 'app', isUsed: false, ownerCreates: false },
      referencedBy: [{ table: { schema: 'crm', name: 'notes' }, uses: false, reads: false }],
    }
    const grants = missingGrants(rights, { retires: true })
    expect(grants.map(({ kind }) => kind)).toEqual([
      'connect',
      'membership',
      'schema',
      'schema',
      'select',
      'parameter',
      'membership',
    ])
    expect(grants.map(({ optional }) => optional)).toEqual([false, false, false, false, false, true, true])
    expect(kinds(rights, false)).not.toContain('select')
  })

  it('is nothing on DEFAULT where its rows can be moved, and otherwise what its owner lacks', () => {
    const fallback = { table: { schema: 'app', name: 'rest' }, owner: 'boss', ownerEmpties: true } as const
    const rights = (more: { roleEmpties: boolean; ownerEmpties?: boolean }): TableRights => ({
      ...anotherOwns('default'),
      default: { ...fallback, ...more },
    })
    const optional = missingGrants(rights({ roleEmpties: true }), { retires: true })
    expect(optional).toMatchObject([{ kind: 'membership', optional: true }])
    expect(missingGrants(rights({ roleEmpties: false }), { retires: true })).toMatchObject([
      { kind: 'membership', optional: false },
    ])
    const revoked = { ...complete, default: { ...fallback, roleEmpties: false, ownerEmpties: false } }
    expect(missingGrants(revoked, { retires: true })).toMatchObject([
      { kind: 'empty', table: { name: 'rest' }, to: 'boss', optional: false },
    ])
  })

  it('says of several tables of one owner how many there are', () => {
    const owns = ['a', 'b', 'c'].map((name) => ({ table: { schema: 'app', name }, is: 'partition' as const }))
    const rights: TableRights = {
      ...complete,
      owners: [{ ...owner, inherited: false, becomes: false, owns: [{ table, is: 'parent' }, ...owns] }],
    }
    expect(missingGrants(rights, { retires: true })[0]?.why).toBe(
      'app.events and 3 of its partitions can be changed only by who has the rights of app_owner, its owner',
    )
  })

  it('is only the privilege on the schema that the owner lacks', () => {
    const rights = { ...complete, schema: { name: 'app', isUsed: true, ownerCreates: false } }
    expect(missingGrants(rights, { retires: true })).toMatchObject([
      { kind: 'schema', privileges: ['CREATE'], to: 'app_owner' },
    ])
  })

  it('is the right to create in a tablespace, for the owner, or for the role where the owner is a superuser', () => {
    const rights = { ...complete, tablespaces: ['fast'] }
    expect(missingGrants(rights, { retires: true })).toMatchObject([{ kind: 'tablespace', to: 'app_owner' }])
    const owners = [{ ...owner, isSuperuser: true }]
    expect(missingGrants({ ...rights, owners }, { retires: true })).toMatchObject([
      { kind: 'tablespace', tablespace: 'fast', to: 'keeper' },
    ])
  })

  it('is the use of its rights, and no second membership, for a member that is NOINHERIT', () => {
    const rights: TableRights = {
      ...complete,
      role: { ...complete.role, inheritsRights: false },
      owners: [{ ...owner, inherited: false }],
    }
    expect(kinds(rights)).toEqual(['inherit'])
    const stranger = { ...rights, owners: [{ ...owner, inherited: false, becomes: false }] }
    expect(kinds(stranger)).toEqual(['membership', 'inherit'])
  })

  it('counts owners of partitions only where partitions are retired, and that of DEFAULT always', () => {
    expect(kinds(anotherOwns('default'), false)).toEqual(['membership'])
    expect(kinds(anotherOwns('partition'), false)).toEqual([])
    expect(kinds(anotherOwns('partition'), true)).toEqual(['membership'])
    expect(kinds(anotherOwns('detached'), true)).toEqual(['membership'])
  })

  it('is a table of a superuser for the owner of its parent, and for the role where that is a superuser, too', () => {
    const boss = { ...owner, name: 'boss', isSuperuser: true, inherited: false, becomes: false }
    const part = { table: { schema: 'app', name: 'part' }, is: 'partition' } as const
    const ofPart = { ...complete, owners: [owner, { ...boss, owns: [part] }] }
    expect(missingGrants(ofPart, { retires: true })).toMatchObject([
      { kind: 'ownership', table: part.table, from: 'boss', to: 'app_owner' },
    ])
    const ofAll = { ...complete, owners: [{ ...boss, owns: [...owner.owns, part] }] }
    expect(missingGrants(ofAll, { retires: true })).toMatchObject([
      { kind: 'ownership', table, from: 'boss', to: 'keeper' },
      { kind: 'ownership', table: part.table, from: 'boss', to: 'keeper' },
    ])
  })
})
