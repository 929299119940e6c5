import { PartitionError } from '../errors.ts'
import { Instant } from './instant.ts'
import type { MarkerFacts } from './marker-facts.ts'
import { formatFacts, readFacts } from './marker-facts.ts'
import type { TableName } from './table-name.ts'
import { formatTableName, sameTable } from './table-name.ts'

/**
 * The marker in a table's COMMENT, the only thing that the tool writes down about its own work:
 *
 *     pg-partsmith:orphan-parent=app.events            or building-parent= on a table that was never attached
 *     pg-partsmith:detached-at=2026-03-08T05:00:00+00:00         (orphans only, the server's clock)
 *     pg-partsmith:json={"v":1,"oid":"16412",...}
 *     the user's own comment, as it was
 *
 * Lines 1 and 2 are also what pg-partsmith for Python writes and reads. Line 3 says which table was meant.
 */
export type Marker = OrphanMarker | BuildingMarker | DamagedMarker

/** On a table that was detached, or is about to be. */
export interface OrphanMarker {
  readonly kind: 'orphan'
  /** `schema.table` of line 1, without quotes: for people. `namesParent` tells whether a table is meant. */
  readonly parentText: string
  /** ISO instant in UTC; undefined where the marker has no line 2 and when the table was detached is not known. */
  readonly detachedAt: string | undefined
  /** Undefined in markers of pg-partsmith for Python, which have no line 3. */
  readonly facts: MarkerFacts | undefined
}

/** On a table that was made to become a partition and is not attached yet. */
export interface BuildingMarker {
  readonly kind: 'building'
  readonly parentText: string
  readonly facts: MarkerFacts
}

/** Begins as a marker does and goes on in a way that cannot be trusted; the table is left alone. */
export interface DamagedMarker {
  readonly kind: 'damaged'
  readonly parentText: string
  /** The rest of a sentence that begins with "the marker": `has no JSON line`. */
  readonly reason: string
}

/** A marker to be written. `detachedAt` is an ISO instant, with `Z` or an offset, of the server's clock. */
export type NewMarker =
  | { readonly kind: 'orphan'; readonly detachedAt: string | undefined; readonly facts: MarkerFacts }
  | { readonly kind: 'building'; readonly facts: MarkerFacts }

export interface DecodedComment {
  readonly marker: Marker | undefined
  /** What the user wrote, exactly; null where there is nothing. */
  readonly userComment: string | null
}

export const defaultMarkerPrefix = 'pg-partsmith'

/** Says in a sentence what is wrong with a marker prefix, or gives undefined where it can be used. */
export function validateMarkerPrefix(prefix: string): string | undefined {
  if (prefix.length < 1 || prefix.length > 64) {
    return `A marker prefix has 1 to 64 characters, this one has ${prefix.length}.`
  }
  if (/[:=\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}]/u.test(prefix)) {
    return `The marker prefix ${JSON.stringify(prefix)} holds a colon, an equals sign, a line end or a control character; leave it out.`
  }
  return undefined
}

/** How a comment with a marker begins, for `starts_with` in SQL. */
export function markerHeads(prefix: string): { readonly orphan: string; readonly building: string } {
  return { orphan: `${prefix}:orphan-parent=`, building: `${prefix}:building-parent=` }
}

/** Whether a comment begins as a marker does, valid or damaged. */
export function isMarkerOf(comment: string | null | undefined, prefix: string): boolean {
  const heads = markerHeads(prefix)
  return comment?.startsWith(heads.orphan) === true || comment?.startsWith(heads.building) === true
}

/**
 * Writes a marker with the user's comment behind it, ready for COMMENT ON TABLE.
 *
 * `decodeMarker` gives back the same marker and the very same comment, whatever the comment holds.
 */
export function encodeMarker(
  marker: NewMarker,
  { prefix, userComment }: { readonly prefix: string; readonly userComment: string | null },
): string {
  const problem = validateMarkerPrefix(prefix)
  if (problem !== undefined) throw new PartitionError(problem)
  const lines = [markerHeads(prefix)[marker.kind] + spell(marker.facts.parent)]
  if (marker.kind === 'orphan' && marker.detachedAt !== undefined) {
    lines.push(detachedAtHead(prefix) + spellInstant(marker.detachedAt))
  }
  lines.push(jsonHead(prefix) + formatFacts(marker.facts))
  if (userComment !== null) lines.push(userComment)
  return lines.join('\n')
}

/** Takes a comment apart. Everything behind the JSON line is the user's, whatever it looks like. */
export function decodeMarker(comment: string | null | undefined, prefix: string): DecodedComment {
  if (comment === null || comment === undefined) return { marker: undefined, userComment: null }
  const heads = markerHeads(prefix)
  const lines = new Lines(comment)
  const orphanParent = lines.take(heads.orphan)
  const parentText = orphanParent ?? lines.take(heads.building)
  if (parentText === undefined) return { marker: undefined, userComment: comment }
  const detachedAt = orphanParent === undefined ? undefined : lines.take(detachedAtHead(prefix))
  const json = lines.take(jsonHead(prefix))
  const kind = orphanParent === undefined ? 'building' : 'orphan'
  return { marker: readMarker(kind, { parentText, detachedAt, json }), userComment: lines.rest }
}

/** The comment with this marker in it, in place of any marker that it has; the user's own part stays. */
export function withMarker(comment: string | null | undefined, marker: NewMarker, prefix: string): string {
  return encodeMarker(marker, { prefix, userComment: withoutMarker(comment, prefix) })
}

/** The user's own part of a comment: no marker stays behind, also where another tool put its own on top of ours. */
export function withoutMarker(comment: string | null | undefined, prefix: string): string | null {
  let rest = comment ?? null
  while (isMarkerOf(rest, prefix)) rest = decodeMarker(rest, prefix).userComment
  return rest
}

/**
 * Whether a marker names this partitioned table, by OID or by name.
 *
 * A marker without facts has one dotted text and no more, so it never names a parent whose schema or name has a dot
 * or a line end in it: `a.b` + `c` and `a` + `b.c` would be one text.
 */
export function namesParent(
  marker: Marker,
  parent: { readonly oid: string; readonly name: TableName },
): boolean {
  if (marker.kind !== 'damaged' && marker.facts !== undefined) {
    return marker.facts.parentOid === parent.oid || sameTable(marker.facts.parent, parent.name)
  }
  const ambiguous = /[.\n]/.test(parent.name.schema) || /[.\n]/.test(parent.name.name)
  return marker.parentText === spell(parent.name) && (marker.kind === 'damaged' || !ambiguous)
}

/**
 * What a marker and a parent that it names have one of in common, for a search among the markers of a whole database.
 * Only `namesParent` says whether it names the parent.
 */
export function hintsOfMarker(marker: Marker): readonly string[] {
  const oid = marker.kind === 'damaged' ? undefined : marker.facts?.parentOid
  return oid === undefined ? [marker.parentText] : [marker.parentText, oid]
}

/** The other side of `hintsOfMarker`. */
export function hintsOfParent(parent: { readonly oid: string; readonly name: TableName }): readonly string[] {
  return [spell(parent.name), parent.oid]
}

/**
 * Says why a marker does not count for the table that carries it, or gives undefined where it does.
 *
 * The answer goes on from "the marker": `was written for another table: ..`. Markers without facts are believed.
 */
export function whyNotTrusted(
  marker: Marker,
  table: { readonly oid: string; readonly database: string; readonly parentOid: string },
): string | undefined {
  if (marker.kind === 'damaged') return marker.reason
  const { facts } = marker
  if (facts === undefined) return undefined
  if (facts.database !== table.database) {
    return `was written in another database (${facts.database}, this one is ${table.database}): the table was restored or copied`
  }
  if (facts.oid !== table.oid) {
    return `was written for another table (OID ${facts.oid}, this one is ${table.oid}): the table was restored or copied`
  }
  if (facts.parentOid !== table.parentOid) {
    return `was written under another partitioned table (${formatTableName(facts.parent)}, OID ${facts.parentOid}, this one is ${table.parentOid})`
  }
  return undefined
}

const detachedAtHead = (prefix: string): string => `${prefix}:detached-at=`
const jsonHead = (prefix: string): string => `${prefix}:json=`

/** A name as line 1 has it: not quoted, and on one line. */
function spell({ schema, name }: TableName): string {
  return `${schema}.${name}`.replaceAll('\n', '\\n')
}

/** With `+00:00` and six digits or none: the only form that Python before 3.11 reads. */
function spellInstant(instant: string): string {
  const [seconds = '', fraction] = Instant.from(instant).toString().slice(0, -1).split('.')
  return `${seconds}${fraction === undefined ? '' : `.${fraction.padEnd(6, '0')}`}+00:00`
}

/** Takes lines off the top of a comment; `rest` is null where nothing follows, and empty where an empty line does. */
class Lines {
  rest: string | null

  constructor(text: string) {
    this.rest = text
  }

  /** Removes the first line if it begins so, and gives what follows on it. */
  take(head: string): string | undefined {
    if (this.rest?.startsWith(head) !== true) return undefined
    const end = this.rest.indexOf('\n')
    const line = end < 0 ? this.rest : this.rest.slice(0, end)
    this.rest = end < 0 ? null : this.rest.slice(end + 1)
    return line.slice(head.length)
  }
}

interface MarkerLines {
  readonly parentText: string
  readonly detachedAt: string | undefined
  readonly json: string | undefined
}

function readMarker(kind: 'orphan' | 'building', { parentText, detachedAt, json }: MarkerLines): Marker {
  const damaged = (reason: string): DamagedMarker => ({ kind: 'damaged', parentText, reason })
  const facts = json === undefined ? undefined : readFacts(json)
  if (typeof facts === 'string') return damaged(facts)
  if (facts !== undefined && spell(facts.parent) !== parentText) {
    return damaged('names one parent in its first line and another in its JSON line')
  }
  if (kind === 'building') {
    return facts === undefined ? damaged('has no JSON line') : { kind, parentText, facts }
  }
  if (detachedAt === undefined) return { kind, parentText, detachedAt, facts }
  const instant = readInstant(detachedAt)
  return instant === undefined
    ? damaged(`says ${JSON.stringify(detachedAt)} where an instant with its offset belongs`)
    : { kind, parentText, detachedAt: instant, facts }
}

function readInstant(text: string): string | undefined {
  try {
    return Instant.from(text).toString()
  } catch {
    return undefined
  }
}
