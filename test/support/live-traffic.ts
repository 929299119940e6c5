/** Applications that write and read one table while something is done to it, and count what they see. */

import { Client } from 'pg'
import type { QueryConfig } from 'pg'

import type { TestDatabase } from './database.ts'

export interface Traffic {
  /** Resolves when every connection has had this many more statements answered; rejects when one failed. */
  rounds(count: number): Promise<void>
  /** Ends the traffic and gives the rows that the writers have left, by id; rejects when a statement had failed. */
  stop(): Promise<ReadonlyMap<number, number>>
}

export interface TrafficOptions {
  /** The literals of the range in which everything happens. */
  readonly from: string
  /** How many rows with ids below zero are in the range, which the readers must always see. */
  readonly steadyRows: number
}

type Send = (
  text: string,
  values: readonly unknown[],
) => Promise<{ rowCount: number | null; rows: unknown[] }>

/**
 * Writers that insert, update and delete through the parent, and readers that count, in every way that a driver of
 * an application sends statements; all at READ COMMITTED, without a pause.
 *
 * The table is `events (id bigint, at timestamptz, n int)`.
 */
export async function startTraffic(database: TestDatabase, options: TrafficOptions): Promise<Traffic> {
  const clients = await Promise.all(Array.from({ length: 7 }, () => connected(database)))
  const [simple, extended, prepared, manyRows, ...readers] = clients
  const stop = new AbortController()
  const failures: unknown[] = []
  const left = new Map<number, number>()
  const counters: { done: number }[] = []
  const loops: Promise<void>[] = []

  const start = (round: (turn: number) => Promise<void>): void => {
    const counter = { done: 0 }
    counters.push(counter)
    loops.push(
      (async () => {
        try {
          while (!stop.signal.aborted) {
            await round(counter.done)
            counter.done += 1
          }
        } catch (error) {
          failures.push(error)
        }
      })(),
    )
  }

  if (!simple || !extended || !prepared || !manyRows) throw new Error('There are too few connections.')
  start(writer(1, { send: literally(simple), at: options.from, left }))
  start(writer(2, { send: (text, values) => extended.query(text, [...values]), at: options.from, left }))
  start(writer(3, { send: named(prepared), at: options.from, left }))
  start(transactionWriter(4, { client: manyRows, at: options.from, left }))
  const sees = `SELECT count(*)::int AS n FROM events WHERE id < 0`
  const inRange = `${sees} AND at >= '${options.from}' AND at < '${options.from}'::timestamptz + interval '1 month'`
  const questions: QueryConfig[] = [
    { text: sees },
    { text: inRange },
    { name: 'steady', text: `${sees} AND at >= $1`, values: [options.from] },
  ]
  for (const [index, question] of questions.entries()) {
    const reader = readers[index]
    if (reader) start(async () => expectSteady(await reader.query(question), options.steadyRows, question))
  }

  const failIfOneFailed = (): void => {
    if (failures.length > 0) throw failures[0]
  }
  return {
    rounds: async (count) => {
      const aims = counters.map(({ done }) => done + count)
      while (counters.some(({ done }, index) => done < (aims[index] ?? 0))) {
        failIfOneFailed()
        await new Promise((resolve) => setImmediate(resolve))
      }
      failIfOneFailed()
    },
    stop: async () => {
      stop.abort()
      await Promise.all(loops)
      await Promise.all(clients.map((client) => client.end()))
      failIfOneFailed()
      return left
    },
  }
}

async function connected({ url }: TestDatabase): Promise<Client> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  await client.connect()
  return client
}

interface Writing {
  readonly send: Send
  readonly at: string
  /** What every id must have in the end, kept by the writer that owns it. */
  readonly left: Map<number, number>
}

/** Inserts, updates, inserts, deletes, and so on; every statement must find the one row that it is about. */
function writer(number: number, { send, at, left }: Writing): (turn: number) => Promise<void> {
  const idOf = (turn: number): number => number * 1_000_000 + turn
  const find = `WHERE id = $1::bigint AND at = $2::timestamptz + $1::bigint * interval '1 microsecond'`
  const touch = async (text: string, values: readonly unknown[]): Promise<void> => {
    const { rowCount } = await send(text, values)
    if (rowCount !== 1)
      throw new Error(`${String(rowCount)} rows instead of 1: ${text} with ${String(values)}`)
  }
  return async (turn) => {
    const [old, id] = [idOf(turn - 2), idOf(turn)]
    await touch(
      `INSERT INTO events VALUES ($1::bigint, $2::timestamptz + $1::bigint * interval '1 microsecond', 1)`,
      [id, at],
    )
    left.set(id, 1)
    if (!left.has(old)) return
    await touch(`UPDATE events SET n = n + 1 ${find}`, [old, at])
    left.set(old, 2)
    if (turn % 3 > 0) return
    await touch(`DELETE FROM events ${find}`, [old, at])
    left.delete(old)
  }
}

/** Several rows in one statement, and several statements in one transaction. */
function transactionWriter(
  number: number,
  { client, at, left }: Omit<Writing, 'send'> & { readonly client: Client },
): (turn: number) => Promise<void> {
  return async (turn) => {
    const first = number * 1_000_000 + turn * 5
    await client.query('BEGIN')
    await client.query(
      `INSERT INTO events SELECT g, $1::timestamptz + g * interval '1 microsecond', 1 FROM generate_series($2::bigint, $2::bigint + 4) g`,
      [at, first],
    )
    await client.query(`UPDATE events SET n = 7 WHERE id = $1`, [first])
    await client.query('COMMIT')
    for (let id = first; id < first + 5; id += 1) left.set(id, id === first ? 7 : 1)
  }
}

/** With its values in the text, so that it goes by the simple protocol. */
function literally(client: Client): Send {
  return (text, values) =>
    client.query(text.replaceAll(/\$(\d)/g, (_, index: string) => `'${String(values[Number(index) - 1])}'`))
}

/** Prepared under a name once and executed again and again, so that the server comes to a generic plan. */
function named(client: Client): Send {
  return (text, values) => client.query({ name: text.slice(0, 20), text, values: [...values] })
}

function expectSteady(
  { rows }: { readonly rows: readonly unknown[] },
  steady: number,
  { text }: QueryConfig,
): void {
  const seen = JSON.stringify(rows)
  if (seen !== JSON.stringify([{ n: steady }])) {
    throw new Error(`A reader saw ${seen} and not ${steady} rows: ${text}`)
  }
}
