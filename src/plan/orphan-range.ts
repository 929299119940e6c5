import { parseBound } from '../model/bound-text.ts'
import { keyCodec } from '../model/key-codec.ts'
import type { DetachedTable } from '../model/partition-tree.ts'
import type { RangeText } from './operation.ts'
import { beginning, slotOrNone } from './placement.ts'
import type { PlanInput, Survey } from './survey.ts'
import type { Slot } from './timeline.ts'
import { nextSlot, slotName } from './timeline.ts'

/** Which rows a detached table held. */
export interface Span {
  readonly from: bigint
  readonly to: bigint
  readonly range: RangeText
}

/**
 * What the configuration makes of a range: `due` lies in one period that is kept or to be there, `later` in one that is
 * to be there only later. `astride` lies in none, so it would stand in the way of others; `expired` is kept by nothing.
 */
export type Standing = 'due' | 'later' | 'astride' | 'expired'

export function standingOf(span: Span, { wanted, retentionHorizon, current, timeline }: Survey): Standing {
  const isAsked = wanted.some(({ slot }) => span.from < slot.to && span.to > slot.from)
  if (retentionHorizon !== undefined && span.to <= retentionHorizon && !isAsked) return 'expired'
  const slot = slotOrNone(timeline, span.from)
  if (!slot || span.to > slot.to) return 'astride'
  return isAsked || span.to <= current.to ? 'due' : 'later'
}

/**
 * The range from the marker; where it says none (another tool's, or adopted), only an exactly generated name of a kept
 * period counts. PostgreSQL looks at every row before it attaches, so a name that lies is found out.
 */
export function rangeOfOrphan(
  { marker, name }: DetachedTable,
  about: {
    readonly input: PlanInput
    readonly survey: Survey
    readonly names: ReadonlyMap<string, Span>
  },
): Span | undefined {
  if (marker.kind !== 'orphan') return undefined
  if (marker.facts?.bound === undefined) {
    return name.schema === about.input.tree.parent.name.schema ? about.names.get(name.name) : undefined
  }
  const bound = parseBound(marker.facts.bound)
  if (bound?.kind !== 'range' || bound.from.length !== 1) return undefined
  const [fromEdge] = bound.from
  const [toEdge] = bound.to
  if (fromEdge?.kind !== 'value' || toEdge?.kind !== 'value') return undefined
  const codec = keyCodec(about.survey.keyType)
  const from = codec.decode(fromEdge.text)
  const to = codec.decode(toEdge.text)
  if (typeof from !== 'bigint' || typeof to !== 'bigint') return undefined
  return { from, to, range: { from: codec.encode(from), to: codec.encode(to) } }
}

/** The generated names of all kept and wanted periods; empty where no detached table has to be known by its name. */
export function keptNames(
  { calculator, tree }: PlanInput,
  { keyType, timeline, retentionHorizon, current, wanted }: Survey,
): ReadonlyMap<string, Span> {
  const names = new Map<string, Span>()
  if (!tree.detached.some(isKnownByName)) return names
  const remember = (slot: Slot): void => {
    names.set(slotName({ calculator, keyType, table: tree.parent.name.name, slot }), slot)
  }
  for (const { slot } of wanted) remember(slot)
  if (retentionHorizon === undefined || retentionHorizon === beginning) return names
  for (
    let slot = timeline.slotAt(retentionHorizon);
    slot.from < current.from;
    slot = nextSlot(timeline, slot)
  ) {
    remember(slot)
  }
  return names
}

/** Whether nothing but its name can say which period the table held. */
function isKnownByName({ marker }: DetachedTable): boolean {
  return marker.kind === 'orphan' && marker.facts?.bound === undefined
}
