import { expect, it } from 'vitest'

import type { DatabaseClient, PartitionLifecycleHooks, TablePartitionOptions } from '../../src/index.ts'
import { createPartsmith, fromPg } from '../../src/index.ts'
import { attachedTo } from '../support/converges.ts'
import { createDatabase, majors } from '../support/database.ts'
import { events, march, month, monthly, now } from '../support/events-table.ts'
import { ownPool } from '../support/own-pool.ts'
import { createRole } from '../support/roles.ts'

const keyed = `CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);`
const april = { ...monthly, createAheadCount: 2 }
const expiring = { ...monthly, retentionCount: 1, dropAfter: '1 day' }

interface Case {
  readonly what: string
  readonly given: string
  readonly config: TablePartitionOptions
  /** What another session has done in an open transaction. */
  readonly held?: string
  /** What somebody does right before a partition is made. */
  readonly meanwhile?: string
  /** A role of its own, with these settings, that owns the table if `owns`. */
  readonly role?: { readonly settings: Readonly<Record<string, string>>; readonly owns: boolean }
  readonly outcome: unknown
}

/** Each ends in another SQLSTATE, and what is done about it differs. */
const cases: readonly Case[] = [
  {
    what: 'a lock that is not free',
    given: `${events} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    config: april,
    held: 'LOCK TABLE events IN ROW EXCLUSIVE MODE',
    outcome: { statuses: ['failed'], codes: ['lock-timeout'] },
  },
  {
    what: 'a DEFAULT that cannot be looked into',
    given: `${events} ${march} CREATE TABLE rest PARTITION OF events DEFAULT;`,
    config: april,
    held: 'LOCK TABLE rest IN ACCESS EXCLUSIVE MODE',
    outcome: { statuses: ['failed'], codes: ['lock-timeout'] },
  },
  {
    what: 'a row that another table refers to',
    given: `${keyed} ${march} ${month('2026-01')} CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES events);`,
    config: expiring,
    meanwhile: `INSERT INTO notes VALUES (1, '2026-01-10 00:00:00+00')`,
    outcome: { statuses: ['refused'], codes: ['partition-referenced'] },
  },
  {
    what: 'a name that was taken meanwhile',
    given: `${events} ${march}`,
    config: april,
    meanwhile: 'CREATE TABLE events__2026_04 (x int)',
    outcome: { statuses: ['refused'], codes: ['partition-already-exists'] },
  },
  {
    what: 'the same partition, made meanwhile',
    given: `${events} ${march}`,
    config: april,
    meanwhile: month('2026-04'),
    outcome: { statuses: ['raced'], codes: [] },
  },
  {
    what: 'the range, taken meanwhile',
    given: `${events} ${march}`,
    config: april,
    meanwhile: month('2026-04', 'other'),
    outcome: { statuses: ['refused'], codes: ['plan-stale'] },
  },
  {
    what: 'a role without rights',
    given: `${events} ${march}`,
    config: april,
    role: { settings: {}, owns: false },
    outcome: { statuses: ['failed'], codes: ['access-denied'], errorCode: 'access-denied' },
  },
  {
    what: 'a role that only reads',
    given: `${events} ${march}`,
    config: april,
    role: { settings: { default_transaction_read_only: 'on' }, owns: true },
    outcome: { statuses: ['failed'], codes: ['server-unsupported'], errorCode: 'server-unsupported' },
  },
]

/** Servers answer in the language of `lc_messages`; what a server means is in the SQLSTATE alone. */
it.each(cases)('$what is told by its SQLSTATE, whatever the language of the server', async (one) => {
  const major = majors.at(-1)
  if (major === undefined) throw new Error('There is no server.')
  await using database = await createDatabase(major)
  await database.sql(one.given)
  const role = one.role && (await createRole(database, { settings: one.role.settings }))
  if (role) {
    await database.sql(`GRANT ALL ON SCHEMA public TO ${role.name}; GRANT SELECT ON events TO ${role.name}`)
    if (one.role.owns) await database.sql(`ALTER TABLE events OWNER TO ${role.name}`)
  }
  const holder = await database.pool.connect()
  await holder.query(`BEGIN; ${one.held ?? 'SELECT 1'}`)
  const before = await attachedTo(database, monthly)
  const byOthers = one.meanwhile?.includes('PARTITION OF events') === true ? 1 : 0

  const seen = { errors: 0 }
  const meanwhile = async (): Promise<void> => void (await database.sql(one.meanwhile ?? 'SELECT 1'))
  const hooks: PartitionLifecycleHooks = { beforeCreate: meanwhile, beforeDetach: meanwhile }
  const pool = translated(
    fromPg(ownPool(database, role ? { connectionString: role.url, max: 4 } : { max: 4 })),
    seen,
  )
  const { result } = await createPartsmith({ pool, hooks: [hooks] }).service.run(one.config, { now })
  expect({
    statuses: result.operations.map(({ status }) => status),
    codes: result.issues.map(({ code }) => code),
    ...(result.errorCode !== undefined && { errorCode: result.errorCode }),
  }).toEqual(one.outcome)
  expect(seen.errors).toBeGreaterThan(0)
  expect(await attachedTo(database, monthly)).toHaveLength(before.length + byOthers)
  holder.release(true)
})

/** The same server, whose messages nobody here can read. */
function translated(client: DatabaseClient, seen: { errors: number }): DatabaseClient {
  return {
    ...client,
    connect: async () => {
      const connection = await client.connect()
      return {
        ...connection,
        query: async (text, values) => {
          try {
            return await connection.query(text, values)
          } catch (error) {
            seen.errors += 1
            throw Object.assign(new Error('ПОМИЛКА: щось пішло не так'), {
              code: error instanceof Error && 'code' in error ? error.code : undefined,
            })
          }
        },
      }
    },
  }
}
