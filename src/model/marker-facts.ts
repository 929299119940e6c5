import { PartitionError } from '../errors.ts'
import { parseBound } from './bound-text.ts'
import type { TableName } from './table-name.ts'

/** Which table a marker was written for. A copy or a restored table has another OID or another database. */
export interface MarkerFacts {
  readonly oid: string
  /** `<system identifier>/<database oid>` */
  readonly database: string
  readonly parentOid: string
  readonly parent: TableName
  /**
   * The bound that the table had, or is to get, as text that `parseBound` reads; undefined for an adopted table where
   * that is not known.
   */
  readonly bound: string | undefined
}

/** Writes facts as one line of JSON, whatever characters they hold; throws `PartitionError` for an unreadable bound. */
export function formatFacts({ oid, database, parentOid, parent, bound }: MarkerFacts): string {
  if (bound !== undefined && parseBound(bound) === undefined) {
    throw new PartitionError(
      `The bound ${JSON.stringify(bound)} of the table with OID ${oid} cannot be read, so no marker is written for it. ` +
        'Tables with such bounds are left alone.',
    )
  }
  const { schema, name } = parent
  return JSON.stringify({ v: 1, oid, database, parentOid, parent: { schema, name }, bound: bound ?? null })
}

/** Reads what `formatFacts` wrote, or says what is wrong as the rest of a sentence that begins with "the marker". */
export function readFacts(json: string): MarkerFacts | string {
  try {
    return factsOf(record(parseJson(json), 'JSON line'))
  } catch (error) {
    if (error instanceof Damage) return error.message
    throw error
  }
}

class Damage extends Error {}

function factsOf(value: Record<string, unknown>): MarkerFacts {
  if (value['v'] !== 1) {
    throw new Damage(
      `has a JSON line of version ${JSON.stringify(value['v'] ?? null)}, and this release reads version 1`,
    )
  }
  const parent = record(value['parent'], 'parent')
  return {
    oid: oid(value['oid'], 'oid'),
    database: text(value['database'], 'database'),
    parentOid: oid(value['parentOid'], 'parentOid'),
    parent: { schema: text(parent['schema'], 'parent.schema'), name: text(parent['name'], 'parent.name') },
    bound: value['bound'] === null ? undefined : readable(text(value['bound'], 'bound')),
  }
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    throw new Damage('has a JSON line that is not JSON')
  }
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Damage(`has no object as its ${what}`)
  }
  return Object.fromEntries(Object.entries(value))
}

function text(value: unknown, what: string): string {
  if (typeof value === 'string' && value !== '') return value
  throw new Damage(`has no text as its ${what}`)
}

function oid(value: unknown, what: string): string {
  if (typeof value === 'string' && /^[1-9]\d*$/.test(value)) return value
  throw new Damage(`has no OID as its ${what}`)
}

/** A bound that means nothing would let a table be dropped without a look at whether its period is still wanted. */
function readable(bound: string): string {
  if (parseBound(bound) === undefined) throw new Damage('has a bound that cannot be read')
  return bound
}
