import { hasSqlState, sqlStateOf } from '../sql-state.ts'
import type { ClientChecks } from './client-under-test.ts'
import { withOne } from './client-under-test.ts'
import { must, mustEqual, rejectionOf } from './conformance-case.ts'

/** What a client must do with one connection at a time. */
export const casesOfOneSession: ClientChecks = {
  'values come as text and NULL as null': (client) =>
    withOne(client, async ({ query }) => {
      const { rows } = await query(
        `SELECT 42::text AS number, true::text AS truth, NULL::text AS nothing, ARRAY[1, 2]::text AS list,
                '2026-01-01 00:00:00.123456'::timestamp::text AS moment, 'a'::text AS "Mixed case_and more"`,
      )
      mustEqual(
        rows,
        [
          {
            number: '42',
            truth: 'true',
            nothing: null,
            list: '{1,2}',
            moment: '2026-01-01 00:00:00.123456',
            'Mixed case_and more': 'a',
          },
        ],
        'The answer',
      )
    }),

  'a statement without rows answers with an empty list': (client) =>
    withOne(client, async ({ query }) => {
      mustEqual((await query('SELECT 1 AS one WHERE false')).rows.length, 0, 'The number of rows')
      mustEqual(
        (await query(`SET application_name = 'conformance'`)).rows.length,
        0,
        'The number of rows of SET',
      )
      await query('RESET application_name')
    }),

  'parameters arrive as they were given, whatever their type on the server': (client) =>
    withOne(client, async ({ query }) => {
      const { rows } = await query(
        `SELECT $1::timestamptz AT TIME ZONE 'UTC' = '2026-01-01 00:00:00.123456' AS moment_is_same,
                $2::boolean::text AS truth, $3::jsonb::text AS json, $4::bigint::text AS big,
                ($5::text[])[2] AS second, ($5::text[])[3] IS NULL AS third_is_null, ($6::text IS NULL)::text AS nothing,
                $7::text AS text`,
        [
          '2026-01-01 00:00:00.123456+00',
          'true',
          '{"a": "b"}',
          '9223372036854775807',
          ['a', `b,"{}\\'`, null],
          null,
          'text',
        ],
      )
      const { moment_is_same: moment, third_is_null: third, ...row } = rows[0] ?? {}
      must(isTrue(moment) && isTrue(third), `The answer is ${JSON.stringify(rows[0])}.`)
      mustEqual(
        row,
        {
          truth: 'true',
          json: '{"a": "b"}',
          big: '9223372036854775807',
          second: `b,"{}\\'`,
          nothing: 'true',
          text: 'text',
        },
        'The answer',
      )
    }),

  'hostile texts survive the way there and back': (client) =>
    withOne(client, async ({ query }) => {
      for (const text of hostileTexts) {
        const { rows } = await query('SELECT $1::text AS text, octet_length($1::text)::text AS bytes', [text])
        must(rows[0]?.['text'] === text, `${JSON.stringify(text.slice(0, 80))} came back changed.`)
        mustEqual(rows[0]['bytes'], String(Buffer.byteLength(text)), 'The number of bytes that arrived')
      }
    }),

  'an error carries its SQLSTATE and leaves the connection fit for use': (client) =>
    withOne(client, async ({ query }) => {
      const missing = await rejectionOf(
        query('SELECT FROM no_such_table_of_conformance'),
        'A query of no table',
      )
      mustEqual(sqlStateOf(missing), '42P01', 'The SQLSTATE')
      const division = await rejectionOf(query('SELECT 1 / $1::integer', ['0']), 'A division by zero')
      mustEqual(sqlStateOf(division), '22012', 'The SQLSTATE')
      mustEqual((await query('SELECT 1::text AS one')).rows[0]?.['one'], '1', 'The answer after an error')
    }),

  'a transaction is committed or rolled back as a whole': (client) =>
    withOne(client, async ({ query, count, table }) => {
      await query('BEGIN')
      await query(`INSERT INTO ${table} VALUES ('lost')`)
      await query('ROLLBACK')
      mustEqual(await count(), '0', 'The number of rows after ROLLBACK')
      await query('BEGIN ISOLATION LEVEL REPEATABLE READ')
      mustEqual(
        (await query(`SELECT current_setting('transaction_isolation') AS level`)).rows[0]?.['level'],
        'repeatable read',
        'The isolation level',
      )
      await query(`INSERT INTO ${table} VALUES ($1)`, ['kept'])
      await query('COMMIT')
      mustEqual(await count(), '1', 'The number of rows after COMMIT')
    }),

  'a failed transaction refuses statements until ROLLBACK': (client) =>
    withOne(client, async ({ query, count, table }) => {
      await query('BEGIN')
      await query(`INSERT INTO ${table} VALUES ('lost')`)
      await rejectionOf(query('SELECT 1 / 0'), 'A division by zero')
      const refused = await rejectionOf(query('SELECT 1'), 'A statement in a failed transaction')
      must(
        hasSqlState(refused, 'inFailedSqlTransaction'),
        `It was refused with ${String(refused)}, not with 25P02.`,
      )
      await query('ROLLBACK')
      mustEqual(await count(), '0', 'The number of rows after ROLLBACK')
    }),

  'a command that cannot run in a transaction runs outside of one': (client) =>
    withOne(client, async ({ query, table }) => {
      await query(`VACUUM ${table}`)
      await query('BEGIN')
      const refused = await rejectionOf(query(`VACUUM ${table}`), 'VACUUM in a transaction')
      must(
        hasSqlState(refused, 'activeSqlTransaction'),
        `It was refused with ${String(refused)}, not with 25001.`,
      )
      await query('ROLLBACK')
    }),

  'SET LOCAL ends with its transaction': (client) =>
    withOne(client, async ({ query }) => {
      const timeout = async (): Promise<unknown> =>
        (await query(`SELECT current_setting('lock_timeout') AS value`)).rows[0]?.['value']
      const before = await timeout()
      await query('BEGIN')
      await query(`SET LOCAL lock_timeout = '123ms'`)
      mustEqual(await timeout(), '123ms', 'lock_timeout in the transaction')
      await query('COMMIT')
      mustEqual(await timeout(), before, 'lock_timeout after the transaction')
    }),

  'a connection that was given back can be taken again': async (client) => {
    for (let turn = 0; turn < 30; turn += 1) {
      const connection = await client.connect()
      mustEqual((await connection.query('SELECT 1::text AS one')).rows[0]?.['one'], '1', 'The answer')
      await connection.release()
    }
  },

  'a second release does nothing, also when somebody else has the session by then': async (client) => {
    const first = await client.connect()
    await first.release()
    const second = await client.connect()
    await first.release()
    await first.release(true)
    mustEqual((await second.query('SELECT 1::text AS one')).rows[0]?.['one'], '1', 'The answer')
    await second.release()
  },

  'a cancellation of nothing does no harm': (client) =>
    withOne(client, async ({ query, pid }) => {
      await client.cancel(pid)
      // The request is delivered apart from the session: at most the next statement feels it.
      await query('SELECT 1').catch(() => undefined)
      mustEqual((await query('SELECT 1::text AS one')).rows[0]?.['one'], '1', 'The answer')
    }),
}

const hostileTexts: readonly string[] = [
  '',
  ' ',
  'NULL',
  '007',
  '{a,"b"}',
  `'; DROP TABLE events; --`,
  `"quoted" and \\ and \\\\ and \\n`,
  '$1 ${x} $$body$$ ? :name @name %s',
  'line\nline\r\n\ttab',
  'žluťoučký 🐘 \u{1F469}‍\u{1F4BB} שלום',
  'x'.repeat(1_000_000),
]

function isTrue(value: unknown): boolean {
  return value === true || value === 't' || value === 'true'
}
