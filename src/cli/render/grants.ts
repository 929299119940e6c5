import {
  formatTableName,
  type GrantWithText,
  sqlComment,
  type TableGrants,
  type TableName,
} from '../../index.ts'
import { counted } from './quantities.ts'

/** Renders what is missing as SQL for psql, each statement once, however many tables need it. */
export function renderGrants(
  found: readonly TableGrants[],
  { optional: withOptional }: { readonly optional: boolean },
): string {
  const seen = found.filter(({ error }) => error === undefined)
  const grants = once(seen.flatMap((one) => one.grants.filter(({ kind }) => kind !== 'ownership')))
  const owned = seen.flatMap(ownedBySuperusers)
  const needed = grants.filter((grant) => !grant.optional)
  const optional = grants.filter((grant) => grant.optional)
  const role = JSON.stringify(seen[0]?.role ?? '')
  const tables = counted(seen.length, 'table')
  const head =
    needed.length === 0 && !owned.some(({ optional: isOptional }) => !isOptional)
      ? `Nothing is missing: the role ${role} can maintain ${tables}.`
      : `What the role ${role} is missing to maintain ${tables}:`
  return [
    ...(seen.length === 0 ? [] : [sqlComment(head)]),
    ...needed.flatMap((grant) => statement(grant)),
    ...owned.flatMap(otherOwner),
    ...optional.flatMap((grant) =>
      withOptional
        ? statement(grant)
        : [...grant.whys.map((why) => sqlComment(`Good to have: ${why}:`)), sqlComment(grant.sql)],
    ),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

interface Needed {
  readonly sql: string
  readonly optional: boolean
  /** Why each of the tables needs it. */
  readonly whys: readonly string[]
}

/** Each statement once, with the reasons of all tables, and needed where one of them needs it. */
function once(grants: readonly GrantWithText[]): readonly Needed[] {
  const bySql = new Map<string, Needed>()
  for (const { sql, optional, why } of grants) {
    const before = bySql.get(sql)
    const whys = [...new Set([...(before?.whys ?? []), why])]
    bySql.set(sql, { sql, optional: optional && before?.optional !== false, whys })
  }
  return [...bySql.values()]
}

const mostReasons = 10

function statement({ whys, sql }: Needed): readonly string[] {
  const more = whys.length - mostReasons
  return [
    ...whys.slice(0, mostReasons).map(sqlComment),
    ...(more > 0 ? [sqlComment(`and for ${more} more tables`)] : []),
    sql,
  ]
}

interface OwnedBySuperuser {
  readonly parent: TableName
  readonly from: string
  readonly to: string
  readonly optional: boolean
  readonly statements: readonly string[]
}

/** What belongs to superusers of one table: said once for each of them, however many partitions it is. */
function ownedBySuperusers({ table, grants }: TableGrants): readonly OwnedBySuperuser[] {
  const groups = new Map<string, OwnedBySuperuser>()
  for (const grant of grants) {
    if (grant.kind !== 'ownership') continue
    const { from, to, optional, sql } = grant
    const statements = [...(groups.get(from)?.statements ?? []), sql]
    groups.set(from, { parent: table, from, to, optional, statements })
  }
  return [...groups.values()]
}

function otherOwner({ parent, from, to, optional, statements }: OwnedBySuperuser): readonly string[] {
  const whole = formatTableName(parent)
  const [what, them] =
    statements.length === 1
      ? [`A table of ${whole} belongs`, 'it']
      : [`${statements.length} tables of ${whole} belong`, 'them']
  return [
    sqlComment(
      `${optional ? 'Good to have: ' : ''}${what} to the superuser ${from}, and whoever is a member of that may do everything. Give ${them} to ${to}:`,
    ),
    ...statements.map(sqlComment),
  ]
}
