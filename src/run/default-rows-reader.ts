import type { DefaultRowsAnswer, DefaultRowsQuestion, KeySpan } from '../plan/default-report.ts'
import { pinSettings } from '../sql/catalog.ts'
import type { Pages } from '../sql/count-default.ts'
import { countBetween, limitTime, sizeOfDefault, spreadOfKeys } from '../sql/count-default.ts'
import { defaultBudget } from '../sql/lock-budget.ts'
import { readingSettings } from '../sql/settings.ts'
import type { Sql } from '../sql/sql.ts'
import { toText } from '../sql/sql.ts'
import type { Row } from '../sql/statement.ts'
import type { DatabaseClient } from './client.ts'
import { readConsiderately } from './considerate-reading.ts'
import { isEndedEarly } from './gave-way.ts'
import type { Session } from './session.ts'
import { hasSqlState, isConnectionFailure, sqlStateOf } from './sql-state.ts'
import { whyUnread } from './why-unread.ts'

/** As much is read in full; that takes some tenths of a second, and no lock that a reader or a writer notices. */
const mostBytes = 64 * 1_048_576
/** Of what is larger, about as much is read. */
const sampledBytes = 16 * 1_048_576

/** What the rows of DEFAULT are, or a sentence that says why that is not known. Throws where the connection is lost. */
export async function readDefaultRows(
  session: Session,
  question: DefaultRowsQuestion,
  { client, mostMs }: { readonly client: DatabaseClient; readonly mostMs: number },
): Promise<DefaultRowsAnswer | string> {
  const consideration = {
    client,
    othersWaitMs: defaultBudget.lockTimeoutMs,
    withinMs: mostMs,
    isolation: 'repeatable read',
  } as const
  try {
    return await readConsiderately(session, consideration, (limitMs) => count(session, question, limitMs))
  } catch (error) {
    if (isEndedEarly(error)) return `While they were counted, ${error.message}.`
    if (sqlStateOf(error) === undefined || isConnectionFailure(error)) throw error
    if (hasSqlState(error, 'queryCanceled')) return `To count its rows took longer than ${mostMs} ms.`
    const why = await whyUnread(session, error, [question.table])
    return hasSqlState(error, 'lockNotAvailable')
      ? `${why.charAt(0).toUpperCase()}${why.slice(1)}.`
      : `The server says: ${why}.`
  }
}

async function count(
  session: Session,
  question: DefaultRowsQuestion,
  mostMs: number,
): Promise<DefaultRowsAnswer> {
  const { table, key, keyType, cut } = question
  const ask = async (text: Sql): Promise<readonly Row[]> => (await session.query(toText(text))).rows
  await session.query(pinSettings)
  await ask(readingSettings)
  await ask(limitTime(mostMs))
  const bytes = Number((await ask(sizeOfDefault(table)))[0]?.['bytes'])
  const pages: Pages = { table, key, share: bytes <= mostBytes ? 1 : sampledBytes / bytes }
  const spread = (await ask(spreadOfKeys(pages)))[0]
  const found = {
    share: pages.share,
    withoutKey: Number(spread?.['without_key']),
    infinite: Number(spread?.['infinite']),
  }
  const spans = spansIn(spread === undefined ? [] : [spread])
  if (spans.length === 0) return { ...found, ranges: [] }
  const between = async (edges: readonly string[]): Promise<readonly Row[]> =>
    ask(countBetween(pages, edges, keyType))
  const first = cut(spans, true)
  const rows = await between(first.edges)
  // Most rows lie close together, and one from long ago makes their distance large: look again where there are any.
  const finer = first.isFine ? first : cut(spansIn(rows), false)
  if (first.isFine || !finer.isFine) return { ...found, ranges: rangesIn(rows, first.edges) }
  return { ...found, ranges: rangesIn(await between(finer.edges), finer.edges) }
}

function spansIn(rows: readonly Row[]): readonly KeySpan[] {
  return rows.flatMap(({ first, last }) =>
    typeof first === 'string' && typeof last === 'string' ? [{ first, last }] : [],
  )
}

function rangesIn(rows: readonly Row[], edges: readonly string[]): DefaultRowsAnswer['ranges'] {
  return rows.map((row) => {
    const number = Number(row['number'])
    // Where the calendar knows no period, the keys themselves are all there is to say.
    const from = edges[number - 1] ?? String(row['first'])
    const to = edges[number] ?? String(row['last'])
    return { from, to, rows: Number(row['rows']) }
  })
}
