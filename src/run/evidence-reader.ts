import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Evidence, EvidenceRequest } from '../plan/evidence.ts'
import { pinSettings, readTakenNames, readWithoutPages } from '../sql/catalog.ts'
import { countInDefault } from '../sql/move-from-default.ts'
import { defaultBudget } from '../sql/lock-budget.ts'
import { readingSettings } from '../sql/settings.ts'
import { qualified, sql, toText } from '../sql/sql.ts'
import type { DatabaseClient } from './client.ts'
import type { Consideration } from './considerate-reading.ts'
import { readConsiderately } from './considerate-reading.ts'
import { isEndedEarly } from './gave-way.ts'
import { readLeaving } from './leaving-reader.ts'
import { readReferenceChecks } from './reference-reader.ts'
import type { Session } from './session.ts'
import { hasSqlState, sqlStateOf, sqlStates } from './sql-state.ts'
import { whyUnread } from './why-unread.ts'

/** Collects what one plan rests on beyond the catalog; rows are counted in a transaction of their own, one per table. */
export async function readEvidence(
  session: Session,
  request: EvidenceRequest,
  client: DatabaseClient,
): Promise<Evidence> {
  const { othersWaitMs = Infinity, withinMs = defaultBudget.statementTimeoutMs } = request.limits ?? {}
  const consideration = { client, withinMs, othersWaitMs: Math.min(othersWaitMs, withinMs) }
  const look: Look = (tables, read) => readable(session, { consideration, tables }, read)
  return {
    takenNames: await readNames(session, request.names),
    ...(await readRows(session, look, request)),
    empty: await readEmpty(session, look, request.maybeEmpty),
    ...(await readLeaving(session, request.leaving ?? [])),
    ...(request.references && {
      references: await readReferenceChecks(session, request.references, consideration),
    }),
  }
}

/** What can be known of several tables with a fixed number of statements; undefined where rows have to be looked at. */
export async function readTogether(
  session: Session,
  requests: readonly EvidenceRequest[],
  client: DatabaseClient,
): Promise<readonly (Evidence | undefined)[]> {
  const takenNames = await readNames(
    session,
    requests.flatMap(({ names }) => names),
  )
  const fallbacks = requests.flatMap(({ defaultRows }) => (defaultRows ? [defaultRows] : []))
  const found =
    fallbacks.length > 0
      ? await readable(session, { tables: [], consideration: inAMoment(client) }, () =>
          withoutPages(session, fallbacks),
        )
      : undefined
  const empty = found && 'value' in found ? found.value : undefined
  const isKnown = ({ defaultRows, maybeEmpty, references }: EvidenceRequest): boolean =>
    maybeEmpty.length === 0 && !references && (!defaultRows || empty?.has(defaultRows) === true)
  const left = await readLeaving(
    session,
    requests.filter(isKnown).flatMap(({ leaving = [] }) => leaving),
  )
  return requests.map((request) => {
    if (!isKnown(request)) return undefined
    const { defaultRows } = request
    const nothing = {
      takenNames,
      rowsInDefault: new Map<string, number>(),
      empty: new Set<string>(),
      ...left,
    }
    if (!defaultRows) return nothing
    return {
      ...nothing,
      rowsInDefault: new Map(defaultRows.ranges.map(({ from }) => [from, 0])),
      rowsAstray: 0,
      rowsAhead: false,
      defaultScan: { bytes: 0, keyIndexed: false },
    }
  })
}

type DefaultRows = NonNullable<EvidenceRequest['defaultRows']>
type DefaultEvidence = Pick<
  Evidence,
  'rowsInDefault' | 'rowsAstray' | 'rowsAhead' | 'defaultScan' | 'defaultUnread'
>

async function withoutPages(
  session: Session,
  asked: readonly DefaultRows[],
): Promise<ReadonlySet<DefaultRows>> {
  const { rows } = await session.query(readWithoutPages, [
    asked.map(({ table }) => table.schema),
    asked.map(({ table }) => table.name),
  ])
  const numbers = new Set(rows.map((row) => Number(row['ord'])))
  return new Set(asked.filter((_, index) => numbers.has(index + 1)))
}

async function readNames(session: Session, names: readonly TableName[]): Promise<Evidence['takenNames']> {
  if (names.length === 0) return new Map()
  return session.transaction(
    async () => {
      await session.query(pinSettings)
      const { rows } = await session.query(readTakenNames, [
        names.map(({ schema }) => schema),
        names.map(({ name }) => name),
      ])
      return new Map(
        rows.map((row) => [
          formatTableName({ schema: String(row['schema']), name: String(row['name']) }),
          {
            oid: String(row['oid']),
            what: String(row['what']),
            ...(typeof row['comment'] === 'string' && { comment: row['comment'] }),
          },
        ]),
      )
    },
    { readOnly: true },
  )
}

async function readRows(session: Session, look: Look, request: EvidenceRequest): Promise<DefaultEvidence> {
  if (!request.defaultRows) return { rowsInDefault: new Map() }
  const counted = await look([request.defaultRows.table], () => countRows(session, request))
  return 'value' in counted ? counted.value : { rowsInDefault: new Map(), defaultUnread: counted.why }
}

async function countRows(session: Session, { defaultRows }: EvidenceRequest): Promise<DefaultEvidence> {
  if (!defaultRows) return { rowsInDefault: new Map() }
  const [row] = (await session.query(toText(countInDefault(defaultRows)))).rows
  const text = row?.['rows']
  const counts: unknown = typeof text === 'string' ? JSON.parse(text) : []
  const found = Array.isArray(counts) ? counts.map(Number) : []
  return {
    rowsInDefault: new Map(defaultRows.ranges.map(({ from }, index) => [from, found[index] ?? 0])),
    rowsAstray: Number(row?.['astray']),
    rowsAhead: row?.['ahead'] === 'true',
    defaultScan: { bytes: Number(row?.['bytes']), keyIndexed: row?.['key_indexed'] === 'true' },
  }
}

async function readEmpty(
  session: Session,
  look: Look,
  tables: EvidenceRequest['maybeEmpty'],
): Promise<ReadonlySet<string>> {
  const empty = new Set<string>()
  for (const { oid, name } of tables) {
    const answer = await look([name], async () => {
      const question = sql`SELECT EXISTS (SELECT FROM ${qualified(name)})::text AS filled`
      return (await session.query(toText(question))).rows
    })
    if ('value' in answer && answer.value[0]?.['filled'] === 'false') empty.add(oid)
  }
  return empty
}

type Answer<T> = { readonly value: T } | { readonly why: string }

/** A look at rows of the tables, in a transaction of its own. */
type Look = <T>(tables: readonly TableName[], read: () => Promise<T>) => Promise<Answer<T>>

/** Of each table only the size is asked for. */
function inAMoment(client: DatabaseClient): Consideration {
  const { lockTimeoutMs, statementTimeoutMs } = defaultBudget
  return { client, othersWaitMs: lockTimeoutMs, withinMs: statementTimeoutMs }
}

/**
 * Reads rows of a user's table; without the right to, where the table is locked or gone, and where it takes so long that
 * others would wait, tells why it could not.
 */
async function readable<T>(
  session: Session,
  { consideration, tables }: { readonly consideration: Consideration; readonly tables: readonly TableName[] },
  read: () => Promise<T>,
): Promise<Answer<T>> {
  const unknown: readonly (string | undefined)[] = [
    sqlStates.insufficientPrivilege,
    sqlStates.undefinedTable,
    sqlStates.lockNotAvailable,
  ]
  const started = performance.now()
  try {
    return await readConsiderately(session, consideration, async () => {
      await session.query(pinSettings)
      await session.query(toText(readingSettings))
      return { value: await read() }
    })
  } catch (error) {
    if (isEndedEarly(error)) return { why: error.message }
    const tookMs = Math.round(performance.now() - started)
    // A cancellation that comes sooner is not the timeout: somebody wants it to stop.
    if (
      hasSqlState(error, 'queryCanceled') &&
      tookMs >= Math.min(consideration.othersWaitMs, consideration.withinMs)
    ) {
      return { why: `it takes longer than ${tookMs} ms` }
    }
    if (unknown.includes(sqlStateOf(error))) return { why: await whyUnread(session, error, tables) }
    throw error
  }
}
