import { PartitionError } from '../errors.ts'
import type { EvidenceRequest, ReferenceAnswer, ReferenceCheck, ReferredPartition } from '../plan/evidence.ts'
import { pinSettings } from '../sql/catalog.ts'
import type { Reference } from '../sql/references.ts'
import { checkReference, checkSettings, readReference, readReferences, sizesOf } from '../sql/references.ts'
import { readingSettings } from '../sql/settings.ts'
import { toText } from '../sql/sql.ts'
import type { Consideration } from './considerate-reading.ts'
import { readConsiderately } from './considerate-reading.ts'
import { isEndedEarly } from './gave-way.ts'
import type { Session } from './session.ts'
import { hasSqlState, isConnectionFailure, sqlStateOf } from './sql-state.ts'
import { whyUnread } from './why-unread.ts'

type References = NonNullable<EvidenceRequest['references']>

/**
 * Finds out which rows refer to partitions that are to be detached, and how long the server's own check of that takes.
 *
 * Each check has a transaction of its own, so that no lock (ACCESS SHARE) outlives it. A partition for which the time
 * does not suffice is left out of the answer.
 */
export async function readReferenceChecks(
  session: Session,
  request: References,
  consideration: Consideration,
): Promise<ReadonlyMap<string, readonly ReferenceCheck[]>> {
  const started = performance.now()
  const found = await referencesTo(session, request.partitions)
  const checks = new Map<string, readonly ReferenceCheck[]>()
  const tooLong: TooLong = new Map()
  for (const partition of request.partitions) {
    const answered: ReferenceCheck[] = []
    for (const reference of found.filter((one) => one.partition === partition.oid)) {
      const leftMs = Math.floor(request.withinMs - (performance.now() - started))
      if (leftMs < 1) return checks
      answered.push(
        await readCheck(session, reference, { request, partition, leftMs, tooLong, consideration }),
      )
    }
    checks.set(partition.oid, answered)
  }
  return checks
}

/** What took too long, and for a partition of which size, by foreign key. */
type TooLong = Map<string, Sized & { readonly ms: number }>

interface Sized {
  readonly bytes: number
  readonly partitionBytes: number
}

async function referencesTo(
  session: Session,
  partitions: readonly ReferredPartition[],
): Promise<readonly Reference[]> {
  return session.transaction(
    async () => {
      await session.query(pinSettings)
      const { rows } = await session.query(readReferences, [partitions.map(({ oid }) => oid)])
      return rows.map(readReference)
    },
    { readOnly: true },
  )
}

interface Asking {
  readonly request: References
  readonly partition: ReferredPartition
  readonly leftMs: number
  readonly tooLong: TooLong
  readonly consideration: Consideration
}

async function readCheck(session: Session, reference: Reference, asking: Asking): Promise<ReferenceCheck> {
  const { request, leftMs, tooLong, consideration } = asking
  const started = performance.now()
  let mostMs = leftMs
  let sizes: Sized = { bytes: 0, partitionBytes: 0 }
  const answered = (answer: ReferenceAnswer): ReferenceCheck => {
    const { foreignKey, table, indexed, columns } = reference
    if ('ms' in answer && answer.ms > request.longestMs) {
      tooLong.set(keyOf(reference), { ...sizes, ms: answer.ms })
    }
    const names = columns.map(({ referring }) => referring)
    return { foreignKey, table, columns: names, bytes: sizes.bytes, indexed, answer }
  }
  try {
    return await readConsiderately(session, { ...consideration, withinMs: leftMs }, async (limitMs) => {
      mostMs = limitMs
      await session.query(pinSettings)
      await session.query(toText(readingSettings))
      sizes = await readSizes(session, reference)
      const known = tooLong.get(keyOf(reference))
      // The same table is read for a partition that is no smaller, so it takes no less time and is not tried.
      if (known && sizes.partitionBytes >= known.partitionBytes) {
        return answered({ kind: 'at-least', ms: known.ms })
      }
      await session.query(toText(checkSettings(limitMs)))
      return answered(await measured(session, reference, asking))
    })
  } catch (error) {
    if (isEndedEarly(error)) return answered({ kind: 'unread', why: error.message })
    const tookMs = performance.now() - started
    // A cancellation that comes much sooner is not the timeout: somebody wants it to stop.
    if (hasSqlState(error, 'queryCanceled') && tookMs >= mostMs * 0.9) {
      return answered({ kind: 'at-least', ms: tookMs })
    }
    const names = [reference.table, asking.partition.name]
    return answered({ kind: kindOf(error), why: await whyUnread(session, error, names) })
  }
}

async function readSizes(session: Session, reference: Reference): Promise<Sized> {
  const [row] = (await session.query(toText(sizesOf(reference)))).rows
  return { bytes: Number(row?.['bytes']), partitionBytes: Number(row?.['partition_bytes']) }
}

async function measured(
  session: Session,
  reference: Reference,
  { request, partition, leftMs }: Asking,
): Promise<ReferenceAnswer> {
  const { key, mostRows, longestMs } = request
  const question = toText(checkReference(reference, { partition, key, mostRows }))
  const ask = async (): Promise<Extract<ReferenceAnswer, { kind: 'read' }>> => {
    const [row] = (await session.query(question)).rows
    return { kind: 'read', rows: Number(row?.['rows']), ms: Number(row?.['ms']) }
  }
  const first = await ask()
  if (first.rows > 0 || first.ms <= longestMs || first.ms > leftMs / 3) return first
  // It may have read from disk what is in memory now, and the server reads it in a moment.
  return ask()
}

/** An answer of the server, in a session that goes on, is no reason to plan nothing at all. */
function kindOf(error: unknown): 'denied' | 'unread' {
  const isAnswer =
    sqlStateOf(error) !== undefined && !isConnectionFailure(error) && !(error instanceof PartitionError)
  if (!isAnswer || hasSqlState(error, 'queryCanceled')) throw error
  return hasSqlState(error, 'insufficientPrivilege') ? 'denied' : 'unread'
}

function keyOf({ table, foreignKey }: Reference): string {
  return JSON.stringify([table.schema, table.name, foreignKey])
}
