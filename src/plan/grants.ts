import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'

/** What a role may do around one table, as the catalog says. */
export interface TableRights {
  readonly table: TableName
  readonly database: string
  readonly role: RoleFacts
  /** The owners of the parent, of its partitions and of what was detached from it; the parent's comes first. */
  readonly owners: readonly OwnerFacts[]
  /** Where the partitions are made. */
  readonly schema: {
    readonly name: string
    /** Whether the role or the parent's owner may use the schema, and whether that owner may create tables there. */
    readonly isUsed: boolean
    readonly ownerCreates: boolean
  }
  /** Those of the table and its indexes in which neither the role nor the parent's owner may create anything. */
  readonly tablespaces: readonly string[]
  /** Whether rows can be read in the DEFAULT partition and deleted from it: by the role, and by its owner. */
  readonly default?: {
    readonly table: TableName
    readonly owner: string
    readonly roleEmpties: boolean
    readonly ownerEmpties: boolean
  }
  /** Tables that refer to this one. */
  readonly referencedBy: readonly ReferrerFacts[]
}

export interface RoleFacts {
  readonly name: string
  readonly isSuperuser: boolean
  /** Whether it uses the rights of the roles that it becomes a member of. Before PostgreSQL 16, NOINHERIT forbids it. */
  readonly inheritsRights: boolean
  readonly mayConnect: boolean
  readonly maySetDeadlockTimeout: boolean
  readonly seesAllSessions: boolean
}

export interface OwnerFacts {
  readonly name: string
  readonly isSuperuser: boolean
  /** Whether the role has the owner's rights without being told to take them. */
  readonly inherited: boolean
  /** Whether the role can become the owner, and so give tables to it. */
  readonly becomes: boolean
  readonly owns: readonly OwnedTable[]
}

export interface OwnedTable {
  readonly table: TableName
  readonly is: 'parent' | 'default' | 'partition' | 'detached'
}

export interface ReferrerFacts {
  readonly table: TableName
  /** Whether the role, or the parent's owner, may use the schema and read the table. */
  readonly uses: boolean
  readonly reads: boolean
}

/** Something that somebody must grant. */
export type Grant = GrantReason &
  (
    | { readonly kind: 'connect'; readonly database: string; readonly to: string }
    | { readonly kind: 'membership'; readonly of: string; readonly to: string }
    | { readonly kind: 'inherit'; readonly to: string }
    /** In place of a membership in a superuser, which would hand out everything. */
    | {
        readonly kind: 'ownership'
        readonly table: TableName
        /** The superuser that it belongs to. */
        readonly from: string
        readonly to: string
      }
    | {
        readonly kind: 'schema'
        readonly schema: string
        readonly privileges: readonly ('USAGE' | 'CREATE')[]
        readonly to: string
      }
    | { readonly kind: 'tablespace'; readonly tablespace: string; readonly to: string }
    | { readonly kind: 'select' | 'empty'; readonly table: TableName; readonly to: string }
    | { readonly kind: 'parameter'; readonly parameter: 'deadlock_timeout'; readonly to: string }
  )

interface GrantReason {
  /** What cannot be done without it. */
  readonly why: string
  /** Maintenance works without it, though not as well. */
  readonly optional: boolean
}

/**
 * What is missing for the role to maintain the table, in the order in which it is to be granted.
 *
 * `retires` says whether partitions are detached, which needs more than creating them.
 */
export function missingGrants(
  rights: TableRights,
  { retires }: { readonly retires: boolean },
): readonly Grant[] {
  if (rights.role.isSuperuser) return []
  return [
    ...connecting(rights),
    ...owning(rights, retires),
    ...creating(rights),
    ...storing(rights),
    ...emptying(rights),
    ...(retires ? detaching(rights) : []),
    ...better(rights),
  ]
}

function connecting({ role, database }: TableRights): readonly Grant[] {
  if (role.mayConnect) return []
  return [{ kind: 'connect', database, to: role.name, why: 'to reach the database', optional: false }]
}

function owning(rights: TableRights, retires: boolean): readonly Grant[] {
  const { role, owners, table } = rights
  const parentsOwner = ownerOfParent(rights)
  // A partition belongs to the owner of its parent, as those that are made here do.
  const heir = parentsOwner && !parentsOwner.isSuperuser ? parentsOwner.name : role.name
  const memberships = owners.flatMap((owner): readonly Grant[] => {
    const owned = owner.owns.filter(({ is }) => retires || is === 'parent' || is === 'default')
    const [first] = owned
    if (!first || (owner.inherited && owner.becomes)) return []
    // Rows are moved without it; only a CHECK cannot be put on DEFAULT, which makes a large one quick to attach beside.
    const optional = owned.every(({ is }) => is === 'default') && rights.default?.roleEmpties === true
    if (owner.isSuperuser) {
      return owned.map((one) => ({
        kind: 'ownership',
        table: one.table,
        from: owner.name,
        to: heir,
        why: `${describe(one, table)} belongs to the superuser ${owner.name}, and whoever is a member of that may do everything`,
        optional,
      }))
    }
    // On a member that does not use its rights, another membership would change nothing.
    if (owner.becomes && !role.inheritsRights) return []
    const others = owned.length - 1
    const more =
      others === 0 ? '' : first.is === 'parent' ? ` and ${others} of its partitions` : ` and ${others} more`
    const why = `${describe(first, table)}${more} can be changed only by who has the rights of ${owner.name}, its owner`
    return [{ kind: 'membership', of: owner.name, to: role.name, why, optional }]
  })
  const idle = owners.some(({ inherited, isSuperuser }) => !inherited && !isSuperuser)
  if (role.inheritsRights || !idle) return memberships
  const why = `${role.name} is NOINHERIT, and does not use the rights of the roles that it is a member of`
  return [...memberships, { kind: 'inherit', to: role.name, why, optional: false }]
}

function ownerOfParent({ owners }: TableRights): OwnerFacts | undefined {
  return owners.find(({ owns }) => owns.some(({ is }) => is === 'parent'))
}

function describe({ table, is }: OwnedTable, parent: TableName): string {
  const name = formatTableName(table)
  if (is === 'parent') return name
  if (is === 'default') return `${name}, the DEFAULT partition of ${formatTableName(parent)},`
  return `${name}, ${is === 'partition' ? 'a partition of' : 'detached from'} ${formatTableName(parent)},`
}

/** A partition is given to the parent's owner, and an owner must be able to create what it is given. */
function creating(rights: TableRights): readonly Grant[] {
  const { table, schema, role } = rights
  const owner = ownerOfParent(rights)
  if (!owner || owner.isSuperuser) return []
  const privileges = [
    ...(schema.isUsed ? [] : (['USAGE'] as const)),
    ...(schema.ownerCreates ? [] : (['CREATE'] as const)),
  ]
  if (privileges.length === 0) return []
  const whose = owner.name === role.name ? '' : `, where they belong to ${owner.name}`
  const why = `to create partitions of ${formatTableName(table)}${whose}`
  return [{ kind: 'schema', schema: schema.name, privileges, to: owner.name, why, optional: false }]
}

/** As PARTITION OF needs it: for where the parent says that its partitions, and their indexes, are stored. */
function storing({ table, tablespaces, owners, role }: TableRights): readonly Grant[] {
  const owner = owners.find(({ owns }) => owns.some(({ is }) => is === 'parent'))
  const to = owner && !owner.isSuperuser ? owner.name : role.name
  const why = `to store partitions of ${formatTableName(table)} where it says, indexes included`
  return tablespaces.map((tablespace) => ({ kind: 'tablespace', tablespace, to, why, optional: false }))
}

/** An owner can be without rights on what it owns, and so is whoever is a member of it. */
function emptying(rights: TableRights): readonly Grant[] {
  const fallback = rights.default
  if (!fallback || fallback.roleEmpties || fallback.ownerEmpties) return []
  const why = `to move rows out of ${formatTableName(fallback.table)}, the DEFAULT partition of ${formatTableName(rights.table)}`
  return [{ kind: 'empty', table: fallback.table, to: fallback.owner, why, optional: false }]
}

/** The server reads a table that refers to a partition, with the rights of whoever detaches it. */
function detaching({ table, referencedBy, role }: TableRights): readonly Grant[] {
  return referencedBy.flatMap((referrer): readonly Grant[] => {
    const why = `${formatTableName(referrer.table)} refers to ${formatTableName(table)}, and is read when a partition is detached`
    const common = { to: role.name, why, optional: false }
    return [
      ...(referrer.uses
        ? []
        : ([{ kind: 'schema', schema: referrer.table.schema, privileges: ['USAGE'], ...common }] as const)),
      ...(referrer.reads ? [] : ([{ kind: 'select', table: referrer.table, ...common }] as const)),
    ]
  })
}

function better({ role }: TableRights): readonly Grant[] {
  const grants: Grant[] = []
  if (!role.maySetDeadlockTimeout) {
    grants.push({
      kind: 'parameter',
      parameter: 'deadlock_timeout',
      to: role.name,
      why: 'an autovacuum of the table then gives way to its maintenance',
      optional: true,
    })
  }
  if (!role.seesAllSessions) {
    grants.push({
      kind: 'membership',
      of: 'pg_read_all_stats',
      to: role.name,
      why: 'a report can then say what the sessions run that are in the way',
      optional: true,
    })
  }
  return grants
}
