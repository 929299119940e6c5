import { readFileSync } from 'node:fs'
import { formatTableName } from '../../src/model/table-name.ts'
import type { Hazard } from '../../src/policy/hazard.ts'
import type { LockMode, Operation, OperationKind, ReasonCode } from '../../src/plan/operation.ts'
import { isDestructive, operationKinds as kinds } from '../../src/plan/operation.ts'
import { lookAgain } from '../../src/sql/look-again.ts'
import { isGone, meant } from '../../src/sql/only-if.ts'
import { defaultBudget } from '../../src/sql/lock-budget.ts'
import { transactionSettings } from '../../src/sql/settings.ts'
import { toText } from '../../src/sql/sql.ts'
import { renderStatements } from '../../src/sql/statements.ts'
import { declarationsIn } from './docstrings.ts'
import { type GeneratedPage, page, table } from './page.ts'
import { sampleOperation, serverFacts, type Surroundings } from './sample-plans.ts'

const reasons: Readonly<Record<ReasonCode, readonly [readonly OperationKind[], string]>> = {
  'create-ahead': [['create'], 'the period lies in the creation horizon and nothing covers it'],
  explicit: [
    ['create', 'attach'],
    '`ensurePartition` or `reattachPartition` (`pg-partsmith ensure`, `reattach`) asked for it',
  ],
  'wanted-again': [['attach'], 'a detached table holds a period that is wanted again'],
  'detach-pending': [['finalize'], 'a concurrent detach was begun and not finished'],
  'retention-expired': [['detach'], 'the partition ends before the retention horizon'],
  'follows-detach': [['drop'], 'the same plan detaches it, and no grace period is set'],
  'grace-elapsed': [['drop'], 'it was detached by an earlier run, and its grace period is over'],
  'half-built': [['drop'], 'a run ended between building and attaching it, and it is empty'],
  'check-left-behind': [
    ['readmit'],
    'a run that was cut short has left the CHECK there; inserts of the range fail until it is off',
  ],
  'marker-left-behind': [['unmark'], 'it was marked for a detach that did not happen, and has not expired'],
}

const hazards: Readonly<Record<Hazard, string>> = {
  'access-exclusive-lock': 'reads and writes of a table that others use wait while it runs',
  'full-scan':
    'a table is read in full under a lock: DEFAULT, the table that is attached unless its CHECK proves its rows, or one that refers to a partition that is detached and has no index for that',
  'deletes-data': 'rows are gone afterwards',
  'hides-data': 'rows are no longer found through the parent',
  'rewrites-rows': 'rows are moved out of DEFAULT',
  'not-transactional': 'it cannot be rolled back; cut short, it is finished by the next run',
  'blocks-writes':
    'writes of a table that others use wait while it runs, and reads go on: one that a foreign key leads to or comes from',
  'cancels-standby-queries':
    'on a standby, queries of a table that others use are cancelled when they run on for too long',
  'rejects-inserts': 'inserts into the new range fail until the partition is attached',
}

const modes: Readonly<Record<LockMode, string>> = {
  'ACCESS SHARE': 'Nothing but ACCESS EXCLUSIVE.',
  'SHARE UPDATE EXCLUSIVE': 'Other changes of the table, VACUUM and ANALYZE. Reads and writes go on.',
  'SHARE ROW EXCLUSIVE': 'Writes. Reads go on.',
  'ACCESS EXCLUSIVE': 'Reads and writes.',
}

/** A page about each operation: when, what it costs, and its statements, which are run when the page is tested. */
export function operationsPage(): GeneratedPage {
  const source = readFileSync(new URL('../../src/plan/operation.ts', import.meta.url), 'utf8')
  const docs = new Map(declarationsIn(source).map(({ name, doc }) => [name, doc]))
  return page('docs/reference/operations.md', [
    '# Operations',
    '',
    'A plan is a list of operations. Each is carried out on its own and commits on its own.',
    '[What each operation locks](../explanation/what-each-operation-locks.md) tells whom it stops.',
    '',
    'The statements are those of `plan --sql`, for a table `app.events` partitioned by month. A line that begins with',
    '`-- found at run time` stands for statements that depend on an answer; a line that begins with `-- goes on only if`',
    'is where an operation is refused. So they are to be read, not run, and `plan --sql` begins with lines that keep its text',
    'from being run: see [Review plans](../guides/review-plans.md#in-a-pipeline). Three statements come again and again,',
    'so they are shown once. `-- settings` stands for the first statement of every transaction:',
    '',
    '```sql',
    `${settings};`,
    '```',
    '',
    '`-- look again` stands for the question whose answer is compared with what was planned, asked under the lock and right',
    'before the change:',
    '',
    '```sql',
    `${toText(lookAgain({ schema: 'app', name: 'events' }, { schema: 'app', name: 'events__2026_03' })).trim()};`,
    '```',
    '',
    '`-- or not at all` stands for the one that fails, and so undoes the transaction, unless what was done shows on the table',
    'that was meant, by its OID. It goes to the server together with the COMMIT. After a DROP, for example:',
    '',
    '```sql',
    `${toText(meant(isGone('16400')))};`,
    '```',
    '',
    '<!-- hidden sql',
    ...tablesForStatements,
    '-->',
    '',
    ...kinds.flatMap((kind) =>
      section(kind, docs.get(`${kind[0]?.toUpperCase()}${kind.slice(1)}Operation`) ?? ''),
    ),
    '## Hazards',
    '',
    'A hazard is a known cost or risk of an operation. `allowHazards` lists those that are allowed: left out, all of them are;',
    'an empty list allows only operations without any. What is due and has another is not planned, and the finding',
    '`hazard-not-allowed` says so. [Review plans](../guides/review-plans.md#what-may-be-planned-at-all) has an example.',
    '',
    ...table(
      ['Hazard', 'Meaning'],
      Object.entries(hazards).map(([hazard, meaning]) => [`\`${hazard}\``, meaning]),
    ),
  ])
}

function section(kind: OperationKind, doc: string): readonly string[] {
  const operation = sampleOperation(kind)
  const why = Object.entries(reasons).filter(([, [of]]) => of.includes(kind))
  const shown = new Set(
    [
      operation,
      sampleOperation(kind, { default: true }),
      sampleOperation(kind, { foreignKeys: true }),
    ].flatMap(({ hazards: found }) => [...found]),
  )
  return [
    `## ${kind}`,
    '',
    ...(doc === '' ? [] : [doc, '']),
    isDestructive(operation)
      ? 'It takes rows out of reach, so `apply` and `maintain` carry it out only with `--allow-destructive`. The library does unless `allowDestructive` is `false`.'
      : 'It takes no rows out of reach and is carried out without `--allow-destructive`.',
    '',
    ...table(
      ['Reason', 'When'],
      why.map(([code, [, when]]) => [`\`${code}\``, when]),
    ),
    ...(shown.size === 0
      ? []
      : [
          `Hazards: ${[...shown].map((hazard) => `\`${hazard}\``).join(', ')}. Not all of them hold for every table.`,
          '',
        ]),
    ...(kind === 'drop'
      ? [
          'A table that was built and never attached is removed without it: it must be empty, and that is checked under the lock.',
          '',
        ]
      : []),
    ...(setUp[kind] === undefined ? [] : ['<!-- hidden ts', ...setUp[kind].split('\n'), '-->', '']),
    '```sql',
    statementsOf(operation),
    '```',
    '',
    ...(kind === 'detach'
      ? [
          'The marker is committed first. A second connection then locks the partition ACCESS SHARE, so that its name stays on it until the detach has it. Beside a DEFAULT partition, or with `detachMode: blocking`:',
          '',
          '<!-- hidden sql',
          "ALTER TABLE app.events ATTACH PARTITION app.events__2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');",
          '-->',
          '',
          '```sql',
          statementsOf(sampleOperation(kind, { default: true })),
          '```',
          '',
        ]
      : []),
  ]
}

function statementsOf(operation: Operation): string {
  const text = renderStatements(operation, {
    deadlockTimeoutMs: serverFacts.deadlockTimeoutMs,
    shortestDeadlockTimeoutMs: serverFacts.shortestDeadlockTimeoutMs,
    database: serverFacts.database,
    limits: defaultBudget,
    ddlTimezone: 'UTC',
    markerPrefix: 'pg-partsmith',
    dropAllowUnmanaged: false,
  })
  return text
    .replaceAll(`${settings};`, '-- settings')
    .replaceAll(`${toText(lookAgain(operation.parent, operation.partition)).trim()};`, '-- look again')
    .replaceAll(/^SELECT \(CASE WHEN .* END\)::int AS meant;$/gm, '-- or not at all')
}

const { retry } = defaultBudget

const settings = toText(transactionSettings(defaultBudget, serverFacts.deadlockTimeoutMs))

const tablesForStatements = [
  'CREATE SCHEMA app;',
  'CREATE TABLE app.events (id bigint, created_at timestamptz NOT NULL, payload jsonb) PARTITION BY RANGE (created_at);',
  "CREATE TABLE app.events__2026_01 PARTITION OF app.events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');",
]

/** Brings the tables into the state that the statements of the kind are for. */
const setUp: Readonly<Partial<Record<OperationKind, string>>> = {
  attach: `import { Pool } from 'pg'
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query('ALTER TABLE app.events DETACH PARTITION app.events__2026_03')
await pool.end()`,
  finalize: `import { Pool } from 'pg'
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
const reader = await pool.connect()
await reader.query('BEGIN')
await reader.query('SELECT FROM app.events')
const detaching = await pool.connect()
await detaching.query("SET lock_timeout = '100ms'")
await detaching.query('ALTER TABLE app.events DETACH PARTITION app.events__2026_01 CONCURRENTLY').catch(() => undefined)
detaching.release(true)
reader.release(true)
await pool.end()`,
  readmit: `import { Pool } from 'pg'
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query('CREATE TABLE app.events_default PARTITION OF app.events DEFAULT')
await pool.query("ALTER TABLE app.events_default ADD CONSTRAINT pg_partsmith_excluded CHECK (NOT (created_at >= '2026-05-01 00:00:00+00' AND created_at < '2026-06-01 00:00:00+00')) NOT VALID")
await pool.end()`,
  detach: `import { Pool } from 'pg'
const pool = new Pool({ connectionString: process.env['DATABASE_URL'] })
await pool.query("ALTER TABLE app.events ATTACH PARTITION app.events__2026_01 FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')")
await pool.end()`,
}

const surroundings: readonly (readonly [string, Surroundings])[] = [
  ['no DEFAULT', {}],
  ['with a DEFAULT', { default: true }],
]

const roles: readonly (readonly [string, string])[] = [
  ['app.events', 'the parent'],
  ['app.events_default', 'DEFAULT'],
  ['partition', 'the partition'],
  ['app.accounts', 'a table it refers to'],
  ['app.notes', 'a table that refers to it'],
]

const partitionedOnes: Surroundings = { foreignKeys: true, partitioned: true }
const rolesBelow: readonly (readonly [Surroundings, string, string])[] = [
  [{ ...partitionedOnes, default: true }, 'app.events_default_p0', 'below DEFAULT'],
  [partitionedOnes, 'app.accounts_p0', 'below a table it refers to'],
  [partitionedOnes, 'app.notes_p0', 'below a table that refers to it'],
  [{ selfReferring: true }, 'app.events__2026_02', 'its other partitions, where it refers to itself'],
]

function rowsBelow(): readonly (readonly string[])[] {
  return kinds.map((kind) => [
    kind,
    ...rolesBelow.map(([around, relation]) => strongest(sampleOperation(kind, around), relation)),
  ])
}

/** Who waits for whom, from the operations themselves. */
export function locksPage(): GeneratedPage {
  const rows = kinds.flatMap((kind) =>
    // Without a DEFAULT there is nothing to take a CHECK off.
    surroundings.slice(kind === 'readmit' ? 1 : 0).map(([name, around]) => {
      const operation = sampleOperation(kind, { ...around, foreignKeys: true })
      const mode = kind === 'detach' && operation.kind === 'detach' ? `, ${operation.mode}` : ''
      return [`${kind}${mode}`, name, ...roles.map(([relation]) => strongest(operation, relation))]
    }),
  )
  const concurrent = sampleOperation('detach')
  rows.push([
    'detach, concurrent',
    'no DEFAULT, no foreign keys',
    ...roles.map(([relation]) => strongest(concurrent, relation)),
  ])
  return page('docs/explanation/what-each-operation-locks.md', [
    '# What each operation locks',
    '',
    'Every operation says which locks it takes before it takes them: `plan --locks` shows them for your tables, and the',
    '`locks` of an operation hold them. This page is made from the same code, for a table `app.events` that refers to',
    '`app.accounts` and that `app.notes` refers to. Other partitions are locked only where the table refers to itself.',
    '',
    ...table(['Operation', 'Table', ...roles.map(([, role]) => role)], rows),
    'Foreign keys make a table a neighbour: a change of a partition locks the tables at their other ends, too. Without',
    'foreign keys those two columns are empty.',
    '',
    '## Partitions of those tables',
    '',
    'What is below DEFAULT or below a neighbour, at any level, is locked with it, but not always and not always as much. A',
    'table that refers to itself is its own neighbour: the other partitions are locked, and the parent itself with what the',
    'columns about neighbours say, where that is more.',
    '',
    ...table(['Operation', ...rolesBelow.map(([, , role]) => role)], rowsBelow()),
    '`plan --locks` shows the first of many partitions and counts the others; `--output json` and `locks` have all of them.',
    '',
    '## What a lock stops',
    '',
    ...table(
      ['Mode', 'Who waits'],
      Object.entries(modes).map(([mode, who]) => [mode, who]),
    ),
    'A concurrent detach also waits until every transaction that used the parent has ended, without a limit, and holds no',
    'lock on the parent while it does: readers and writers go on, but the rows of the partition are out of reach and its',
    'range takes no new ones. It does not begin while one of these is open for longer than `statementTimeoutMs`; one that is',
    'younger and then stays open makes it wait. `plan --locks` shows under `now` whom it would wait for.',
    '',
    'A `finalize` waits for older snapshots in the whole database, holds SHARE UPDATE EXCLUSIVE on the parent while it',
    'does, and gives way at once to whoever waits for that. Readers and writers of the parent wait with neither.',
    '',
    '## On standbys',
    '',
    'ACCESS EXCLUSIVE is the one lock that a standby takes, too. A query there that uses such a table and runs on for longer',
    'than `max_standby_streaming_delay` is cancelled (`hot_standby_feedback` does not help), also one of the parent that reads',
    'the partition that is detached. The hazard `cancels-standby-queries` is about the tables that go on being used: the',
    'parent, DEFAULT, and those at the other ends of foreign keys. `plan --locks` names all of them.',
    '',
    '## How long',
    '',
    `A transaction waits at most ${defaultBudget.lockTimeoutMs} ms for its first lock (\`lockTimeoutMs\`), and always less than the server's`,
    `\`deadlock_timeout\`; then it gives way and nothing is changed. A statement runs at most`,
    `${defaultBudget.statementTimeoutMs} ms (\`statementTimeoutMs\`). Who queues behind a waiting statement waits as long as it does. The one`,
    'statement without a limit is DETACH CONCURRENTLY once it is pending: cut short it would leave a partition whose rows nobody',
    'finds, and nobody queues behind its wait on the parent. Until it is pending it has the limit of every other.',
    '',
    'What others wait for is the sum of what a step waits for and does, so every step is watched from a second connection: when',
    `somebody has waited behind it for ${defaultBudget.lockTimeoutMs} ms, it is cancelled. That connection has had an answer from the server before`,
    'the first lock is asked for, behind a pooler in a transaction that keeps it. Where there is none the step is not begun, and',
    `where it is lost, or does not answer for ${defaultBudget.lockTimeoutMs} ms and the time of two round trips, the step gives way (a detach`,
    'that is pending after a second: cut short it stays so).',
    '',
    'That is counted for each table. A statement that uses several tables of a fleet can wait for each of them in turn, and a',
    'session whose own `lock_timeout` is shorter is ended by that (55P03), as it is by any other wait.',
    '',
    `A process can be paused, or busy with something else, while it has locks in hand. After ${defaultBudget.lockTimeoutMs} ms without a word from`,
    'it, and the time of a round trip, the server ends the session (`idle_in_transaction_session_timeout`, local to the',
    'transaction) and lets the others through. The step is then tried again. What a statement does on the server in that time',
    'nobody cuts short but `statementTimeoutMs`. Of DETACH CONCURRENTLY nobody cuts it short: where it waits for a reader of the',
    'partition itself and the process is paused in that moment, who wants to read that partition directly waits until it goes',
    'on or its connection is gone; who uses the parent does not.',
    '',
    '## Never with a lock in hand',
    '',
    'Only the first lock of a transaction is waited for. The others are asked for with NOWAIT, and where one is not free, all',
    'are given back at once. So no transaction of a client and one of ours ever wait for each other, and the server has no',
    'reason to end either. Beside foreign keys, where several tables may be busy, a lock is tried again and again for a moment,',
    'which is not a wait for it. What a statement locks by itself is locked before it, as far as the role may; the rest gets 1 ms.',
    'Each attempt begins with another of the tables, so that the busiest of them is waited for in its turn.',
    '',
    'Two statements do wait with a lock in hand, because the server leaves no other way: `finalize` waits for older snapshots,',
    'and DETACH CONCURRENTLY has the parent locked SHARE UPDATE EXCLUSIVE at the end while it waits for the partition. Both give way as soon',
    'as somebody is seen waiting for a lock that they have. Why it is so:',
    '[0015](../decisions/0015-never-wait-with-a-lock-in-hand.md).',
    '',
    '## Tried again',
    '',
    `An operation that gave way tries again after a pause of about ${retry.firstPauseMs} ms, then of about ${retry.firstPauseMs * retry.factor} ms, and so on up to`,
    `about ${retry.longestPauseMs / 1_000} s. The operations of one table share ${defaultBudget.giveUpAfterMs / 1_000} s of that in one run (\`giveUpAfterMs\`). Where one has used`,
    'them up, those after it with the same session in their way are not tried (`not-run`); the others are tried once, a second',
    'after the last one that failed. What was not done is left to the next run. With `giveUpAfterMs: 0` none is tried a second',
    'time. Creations come first in a plan, so that a detach that nobody lets through does not cost them their time.',
    '',
    `A step (the work on one partition) that got its locks, and was ended because others had waited behind it, is tried ${retry.mostTimesEnded} times at most, however much time`,
    'there is left: what it does under its locks takes longer than others may wait, or somebody is in its way each time.',
    `So at worst others wait ${retry.mostTimesEnded} times ${defaultBudget.lockTimeoutMs} ms behind such a step. An attempt that did not get its locks in that time is none of the ${retry.mostTimesEnded}:`,
    'others may have waited behind it, too, and it is tried again until the time above is used up, so a message can say "gave way',
    '9 times". Where a step waited for nobody the message says for how long it had been at work;',
    'then more time does not help, and the next run comes no further. Raise `lockTimeoutMs` if others may wait longer, and',
    '`deadlock_timeout`, below which it stays, or do that one by hand in a quiet hour.',
    '',
    'The result says of each operation, done or failed, what it waited for (`waited`): how often it gave way, for how long in all,',
    'and who was in the way; those who had waited behind it are not blamed. A concurrent detach counts there for how long it',
    'waited after it was begun, and for whom. Where nothing was waited for, nothing is said.',
  ])
}

const strength: readonly LockMode[] = [
  'ACCESS SHARE',
  'SHARE UPDATE EXCLUSIVE',
  'SHARE ROW EXCLUSIVE',
  'ACCESS EXCLUSIVE',
]

function strongest(operation: Operation, role: string): string {
  // DEFAULT has a column of its own.
  if (role === 'partition' && operation.kind === 'readmit') return ''
  const name = role === 'partition' ? formatTableName(operation.partition) : role
  const found = operation.locks
    .filter(({ relation }) => formatTableName(relation) === name)
    .map(({ mode }) => mode)
  return strength.findLast((mode) => found.includes(mode)) ?? ''
}
