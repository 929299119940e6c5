import type { GrantWithText, TableGrants } from '../../index.ts'
import { printable } from './printable.ts'
import { counted } from './quantities.ts'

/** Renders what is missing as SQL for psql, each statement once, however many tables need it. */
export function renderGrants(
  found: readonly TableGrants[],
  { optional: withOptional }: { readonly optional: boolean },
): string {
  const seen = found.filter(({ error }) => error === undefined)
  const grants = [...new Map(seen.flatMap((one) => one.grants).map((grant) => [grant.sql, grant])).values()]
  const needed = grants.filter((grant) => !grant.optional)
  const optional = grants.filter((grant) => grant.optional)
  const role = JSON.stringify(seen[0]?.role ?? '')
  const tables = counted(seen.length, 'table')
  const head =
    needed.length === 0
      ? `Nothing is missing: the role ${role} can maintain ${tables}.`
      : `What the role ${role} is missing to maintain ${tables}:`
  return [
    ...(seen.length === 0 ? [] : [comment(head)]),
    ...needed.flatMap((grant) => statement(grant)),
    ...optional.flatMap((grant) =>
      withOptional ? statement(grant) : [comment(`Good to have: ${grant.why}:`), comment(grant.sql)],
    ),
  ]
    .map((line) => `${line}\n`)
    .join('')
}

function statement(grant: GrantWithText): readonly string[] {
  return grant.kind === 'ownership'
    ? [comment(`${grant.why}. Give it to another role, such as this one:`), comment(grant.sql)]
    : [comment(grant.why), grant.sql]
}

/** A line end in a name must not end the comment. */
function comment(text: string): string {
  return `-- ${printable(text).replaceAll('\n', ' ')}`
}
