import * as z from 'zod'
import { PartitionGranularity } from '../model/calendar.ts'
import { validateMarkerPrefix } from '../model/marker.ts'
import { hazards } from './hazard.ts'
import type {
  DetachMode,
  HookPhase,
  PartsmithConfig,
  RuntimeOptions,
  TablePartitionOptions,
} from './options.ts'
import { expected, kindOf } from './problem.ts'
import {
  duration,
  flag,
  identifier,
  only,
  says,
  storableText,
  strict,
  text,
  wholeNumber,
  words,
  zone,
} from './value-kinds.ts'

/**
 * Every option, once: what is valid, its default and its description.
 *
 * Validation, the JSON Schema for editors and the reference page are all made from here.
 */

/** What an option is when it is left out; one that is not here is then absent. */
export const optionDefaults = {
  schema: 'public',
  timeZone: 'UTC',
  createAheadCount: 3,
  detachMode: 'auto',
  dropAfter: '0 seconds',
  maxRowsFromDefault: 10_000,
  partitionType: 'range',
  partitionStrategy: 'time-based',
  allowDestructive: false,
  markerPrefix: 'pg-partsmith',
  lockPrefix: 'pg-partsmith',
  ddlTimezone: 'UTC',
  lockTimeoutMs: 100,
  statementTimeoutMs: 10_000,
  giveUpAfterMs: 15_000,
  dropAllowUnmanaged: false,
  timeoutSeconds: 300,
} as const

/** The most partitions that are ever created ahead; a typo must not fill a catalog. */
export const MOST_CREATED_AHEAD = 1_000

/** The points at which a command can run, in the order of a partition's life. */
export const hookPhases: readonly HookPhase[] = [
  'beforeCreate',
  'afterCreate',
  'beforeDetach',
  'afterDetach',
  'beforeDrop',
  'afterDrop',
]

/** The largest value of PostgreSQL's integer settings, and of a timer in Node. */
export const LARGEST_INT32 = 2_147_483_647

const detachModes = ['auto', 'concurrent', 'blocking'] as const satisfies readonly DetachMode[]

const column = identifier("the name of the partition key's column").meta({
  description: 'The column of the partition key: timestamptz, timestamp or date.',
})

const tableName = identifier('the name of the partitioned table').meta({
  description: 'The partitioned table, as `pg_class` spells it: without quotes, without its schema.',
})

/** What a table may have and `defaults` may give for all of them. */
const shared = {
  schema: identifier('the name of a schema').optional().meta({
    default: optionDefaults.schema,
    description: 'The schema of the partitioned table. `search_path` plays no part.',
  }),
  partitionColumn: column.optional(),
  granularity: words('a granularity', Object.values(PartitionGranularity)).optional().meta({
    description: 'How long one partition is.',
  }),
  timeZone: zone().optional().meta({
    default: optionDefaults.timeZone,
    description: 'The IANA time zone in which days and months begin.',
  }),
  createAheadCount: wholeNumber({ from: 1, to: MOST_CREATED_AHEAD }).optional().meta({
    default: optionDefaults.createAheadCount,
    description: 'How many partitions exist from now on, the current one included.',
  }),
  retentionCount: wholeNumber({ from: 1 }).optional().meta({
    description: 'How many partitions are kept, the current one included. Left out: nothing ever expires.',
  }),
  detachMode: words('a detach mode', detachModes).optional().meta({
    default: optionDefaults.detachMode,
    description:
      'How expired partitions are detached: `concurrent` lets readers and writers go on, `blocking` does not; `auto` detaches concurrently where nobody has to wait for it: without a DEFAULT partition, without foreign keys, and not through a pooler.',
  }),
  dropAfter: duration()
    .optional()
    .meta({
      default: optionDefaults.dropAfter,
      examples: ['7 days', 'PT12H', 'never'],
      description:
        'How long a table stays detached before it is dropped: `7 days`, `P7D`, `12 hours`. `never` keeps it. The default drops in the same run as the detach.',
    }),
  maxRowsFromDefault: wholeNumber({ from: 0, to: 1_000_000 }).optional().meta({
    default: optionDefaults.maxRowsFromDefault,
    description: 'The most rows that are moved from DEFAULT into a new partition, in one short transaction.',
  }),
  allowHazards: z.array(words('a hazard', hazards), says('a list of hazards')).optional().meta({
    description:
      'The costs and risks that operations may have; what has another is not planned, and a finding says so. Left out: all of them. An empty list: only operations without any.',
  }),
  partitionType: only(
    'range',
    '$ partitioning is not maintained by this version: it takes tables partitioned by "range".',
  )
    .optional()
    .meta({
      default: optionDefaults.partitionType,
      description: 'How the table is partitioned. There is no choice yet: it is only checked.',
    }),
  partitionStrategy: only('time-based', '$ is not a strategy of this version: it is "time-based".')
    .optional()
    .meta({
      default: optionDefaults.partitionStrategy,
      description: 'What decides where partitions begin and end. There is no choice yet: it is only checked.',
    }),
} as const

/** One table, on its own: what `TablePartitionConfig` is made from. */
export const tableSchema: z.ZodType<TablePartitionOptions> = strict('the options of a table', {
  tableName,
  ...shared,
  partitionColumn: column,
})

const noProgram = 'There is no program: expected a program and its arguments.'

const command = z
  .array(
    z.string(says('an argument (text)')).refine((argument) => !argument.includes('\0'), {
      error: 'It has a NUL character, which no program can be given.',
    }),
    {
      error: ({ input }) =>
        typeof input === 'string'
          ? 'Expected a list of arguments, got one text; write ["sh", "-c", ".."] where a shell is wanted.'
          : expected('a list of arguments', input),
    },
  )
  .min(1, { error: noProgram, abort: true })
  .refine(([program]) => program !== '', { error: noProgram })
  .optional()

const phases = {
  beforeCreate: command.meta({ description: 'Runs before a partition is created; a failure refuses it.' }),
  afterCreate: command.meta({ description: 'Runs after a partition was created.' }),
  beforeDetach: command.meta({ description: 'Runs before a partition is detached; a failure refuses it.' }),
  afterDetach: command.meta({ description: 'Runs after a partition was detached.' }),
  beforeDrop: command.meta({
    description: 'Runs before a table is dropped, the last chance to read its rows; a failure refuses it.',
  }),
  afterDrop: command.meta({ description: 'Runs after a table was dropped.' }),
} as const satisfies Readonly<Record<HookPhase, unknown>>

const connection = strict('an object such as { url: "postgres://.." }', {
  url: z
    .string({ error: ({ input }) => `Expected the URL of a database, got ${kindOf(input)}.` })
    .min(1, {
      error: 'It is empty: expected the URL of a database, such as "postgres://user@host:5432/name".',
    })
    .optional()
    .meta({
      examples: ['postgres://user@host:5432/name?sslmode=verify-full&sslrootcert=system'],
      description:
        'The database. `--url`, `PG_PARTSMITH_URL`, `PG_PARTSMITH_URL_FILE` and the `PG*` variables come before it; keep passwords there.',
    }),
})

const runtime = {
  markerPrefix: text('a short text')
    .refine((prefix) => validateMarkerPrefix(prefix) === undefined, {
      error: ({ input }) => validateMarkerPrefix(String(input)) ?? '',
    })
    .optional()
    .meta({
      default: optionDefaults.markerPrefix,
      description:
        'What the marker in the COMMENT of a detached table begins with. Tables marked with another prefix are not managed.',
    }),
  lockPrefix: storableText('a short text').optional().meta({
    default: optionDefaults.lockPrefix,
    description:
      'What the names of locks begin with. Maintainers exclude each other only when it is the same.',
  }),
  ddlTimezone: zone().nullable().optional().meta({
    default: optionDefaults.ddlTimezone,
    description:
      "The session's TimeZone while partitions are attached and rows are moved; null leaves it as it is. Where it is given, every table's `timeZone` has to be the same.",
  }),
  lockTimeoutMs: wholeNumber({ from: 1, to: LARGEST_INT32 }).optional().meta({
    default: optionDefaults.lockTimeoutMs,
    description:
      'How long a statement waits for a lock before it gives way, in milliseconds, and how long anybody waits behind it. It stays below the `deadlock_timeout` of the server, whatever is given.',
  }),
  statementTimeoutMs: wholeNumber({ from: 1, to: LARGEST_INT32 }).optional().meta({
    default: optionDefaults.statementTimeoutMs,
    description: 'How long a statement may run, in milliseconds. A concurrent detach is never cut short.',
  }),
  giveUpAfterMs: wholeNumber({ from: 0, to: LARGEST_INT32 }).optional().meta({
    default: optionDefaults.giveUpAfterMs,
    description:
      'How long a run tries again, in all, for locks of one table that are not free, in milliseconds. 0 tries once; the next run tries again in any case. A step that got its locks, and was ended because others had waited behind it for `lockTimeoutMs`, is tried four times at most.',
  }),
  dropAllowUnmanaged: flag().optional().meta({
    default: optionDefaults.dropAllowUnmanaged,
    description: 'Lets a table be dropped that carries no marker. Leave it off.',
  }),
} as const

const hooks = strict('an object of commands', {
  timeoutSeconds: z
    .number(says('a number of seconds above 0'))
    .positive(says('a number of seconds above 0'))
    .max(
      Math.floor(LARGEST_INT32 / 1_000),
      says(`a number of seconds up to ${Math.floor(LARGEST_INT32 / 1_000)}`),
    )
    .optional()
    .meta({
      default: optionDefaults.timeoutSeconds,
      description: 'How long one command may run, in seconds, before it is killed and counts as failed.',
    }),
  ...phases,
})

/** How it is done; `createPartsmith` takes these, too. */
export const runtimeShape: Readonly<Record<keyof RuntimeOptions, z.ZodType>> = runtime

/** A command for each point of a partition's life. */
export const commandShape: Readonly<Record<HookPhase, z.ZodType>> = phases

/** A whole configuration file, before `defaults` are merged into its tables. */
export const documentSchema: z.ZodType<PartsmithConfig> = strict('an object with `tables`', {
  $schema: z.string(says('the address of a JSON Schema')).optional().meta({
    description: 'The JSON Schema of this file, for editors: what `pg-partsmith schema` prints.',
  }),
  connection: connection.optional().meta({ description: 'Which database.' }),
  defaults: strict('an object of table options', shared, {
    allowDestructive: 'it is given table by table, in `tables`',
    tableName: 'it is given table by table, in `tables`',
  })
    .optional()
    .meta({
      description: 'Options for every table that does not have its own.',
    }),
  tables: z
    .array(
      strict('the options of a table', {
        tableName,
        ...shared,
        allowDestructive: flag().optional().meta({
          default: optionDefaults.allowDestructive,
          description: 'Lets `apply` and `maintain` detach and drop here without `--allow-destructive`.',
        }),
      }),
      says('a list of tables'),
    )
    .min(1, { error: 'The list is empty: expected at least one table.' })
    .meta({ description: 'The tables to maintain, each relation once.' }),
  runtime: strict('an object of run-time settings', runtime)
    .optional()
    .meta({ description: 'How it is done, for all tables.' }),
  hooks: hooks.optional().meta({
    description:
      'Commands (argument vectors, no shell) that get the event as JSON on standard input. They run only with `--allow-hooks`.',
  }),
})
