import { type GrantWithText, sqlComment, type TableGrants } from '../../index.ts'
import { counted } from './quantities.ts'

/** Renders what is missing as SQL for psql, each statement once, however many tables need it. */
export function renderGrants(
  found: readonly TableGrants[],
  { optional: withOptional }: { readonly optional: boolean },
): string {
  const seen = found.filter(({ error }) => error === undefined)
  const grants = once(seen.flatMap((one) => one.grants))
  const needed = grants.filter((grant) => !grant.optional)
  const optional = grants.filter((grant) => grant.optional)
  const role = JSON.stringify(seen[0]?.role ?? '')
  const tables = counted(seen.length, 'table')
  const head =
    needed.length === 0
      ? `Nothing is missing: the role ${role} can maintain ${tables}.`
      : `What the role ${role} is missing to maintain ${tables}:`
  return [
    ...(seen.length === 0 ? [] : [sqlComment(head)]),
    ...needed.flatMap((grant) => statement(grant)),
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
  readonly kind: GrantWithText['kind']
  readonly optional: boolean
  /** Why each of the tables needs it. */
  readonly whys: readonly string[]
}

/** Each statement once, with the reasons of all tables, and needed where one of them needs it. */
function once(grants: readonly GrantWithText[]): readonly Needed[] {
  const bySql = new Map<string, Needed>()
  for (const { sql, kind, optional, why } of grants) {
    const before = bySql.get(sql)
    const whys = [...new Set([...(before?.whys ?? []), why])]
    bySql.set(sql, { sql, kind, optional: optional && before?.optional !== false, whys })
  }
  return [...bySql.values()]
}

const mostReasons = 10

function statement({ kind, whys, sql }: Needed): readonly string[] {
  const more = whys.length - mostReasons
  return [
    ...whys
      .slice(0, mostReasons)
      .map((why) =>
        sqlComment(kind === 'ownership' ? `${why}. Give it to another role, such as this one:` : why),
      ),
    ...(more > 0 ? [sqlComment(`and for ${more} more tables`)] : []),
    kind === 'ownership' ? sqlComment(sql) : sql,
  ]
}
