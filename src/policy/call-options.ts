import * as z from 'zod'
import { InvalidPartitionConfigError } from '../errors.ts'
import { Instant, type InstantLike } from '../model/instant.ts'
import { problemsOf, sayProblems } from './problem.ts'
import { LARGEST_INT32, commandShape, runtimeShape } from './schema.ts'
import { flag, identifier, says, storableText, strict, wholeNumber } from './value-kinds.ts'

/**
 * The options of every public call and constructor, once: their names and kinds.
 *
 * Code that is not checked by TypeScript calls, too, and a typo or a text such as 'false' must not detach and drop.
 */

/** Whoever passes an object with methods may pass more members than are used, and an instance of a class. */
function having(what: string, ...methods: readonly string[]): z.ZodCustom {
  return z.custom((value) => isObject(value) && methods.every((name) => isFunction(value, name)), says(what))
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

function isFunction(value: object, name: string): boolean {
  return typeof Reflect.get(value, name) === 'function'
}

function callback(what: string): z.ZodCustom {
  return z.custom((value) => typeof value === 'function', says(what))
}

const moment = z.custom<InstantLike>().superRefine((value, context) => {
  try {
    Instant.from(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
  }
})

const signal = z
  .custom(
    (value) => isObject(value) && isFunction(value, 'addEventListener') && 'aborted' in value,
    says('an AbortSignal'),
  )
  .optional()

const logger = having(
  'a logger with debug, info, warn and error',
  'debug',
  'info',
  'warn',
  'error',
).optional()
const locks = having('a LockManager', 'acquireLock')

/** What the key of a lock begins with. Redis reads braces as the part of a key that chooses the node. */
const lockPrefix = storableText('a short text')
  .refine((prefix) => !/[{}]/.test(prefix), {
    error: ({ input }) => `${JSON.stringify(input)} has braces, which the key of a lock cannot have.`,
  })
  .optional()

const hookTimeoutMs = z
  .number(says('a number of milliseconds above 0'))
  .positive(says('a number of milliseconds above 0'))
  .max(LARGEST_INT32, says(`a number of milliseconds up to ${LARGEST_INT32}`))
  .optional()

const serviceShape = {
  locks,
  periodCalculator: having('a PeriodCalculator', 'currentPeriod').optional(),
  hooks: z.array(having('an object of hooks'), says('a list of hooks')).optional(),
  hookTimeoutMs,
  logger,
} as const

const { lockPrefix: _, ...repositoryShape } = runtimeShape
const { markerPrefix } = runtimeShape

const lookShape = { signal, now: moment.optional() } as const

const runShape = {
  ...lookShape,
  allowDestructive: flag().optional(),
  continueOnError: flag().optional(),
} as const

/** Whose options they are. */
export type Call =
  | 'createPartsmith'
  | 'service'
  | 'repository'
  | 'metadata'
  | 'advisoryLock'
  | 'redisLock'
  | 'commandHooks'
  | 'look'
  | 'stop'
  | 'run'
  | 'fleet'
  | 'target'
  | 'job'
  | 'grants'

const shapes: Readonly<Record<Call, z.core.$ZodLooseShape>> = {
  createPartsmith: {
    pool: z.unknown(),
    ...repositoryShape,
    ...serviceShape,
    locks: locks.optional(),
    lockPrefix,
  },
  service: {
    repo: having('a PartitionRepository'),
    metadata: having('a PartitionMetadataProvider'),
    ...serviceShape,
  },
  repository: repositoryShape,
  metadata: { markerPrefix },
  advisoryLock: { prefix: lockPrefix, logger },
  redisLock: { prefix: lockPrefix, ttlMs: wholeNumber({ from: 3_000, to: 86_400_000 }).optional(), logger },
  commandHooks: commandShape,
  look: lookShape,
  stop: { signal },
  run: runShape,
  fleet: {
    ...runShape,
    concurrency: wholeNumber({ from: 1 }).optional(),
    onBegin: callback('a function that is given a table').optional(),
    onEnd: callback('a function that is given an outcome').optional(),
  },
  target: { config: z.unknown(), plan: having('a plan').optional(), allowDestructive: flag().optional() },
  job: {
    maintainer: having('a PartitionMaintainer', 'runMaintenanceSafe'),
    config: z.unknown(),
    options: z.unknown().optional(),
  },
  grants: { role: identifier('the name of a role').optional(), markerPrefix, signal },
}

const titles: Readonly<Record<Call, string>> = {
  createPartsmith: 'The options of createPartsmith',
  service: 'The parts of PartitionLifecycleService',
  repository: 'The options of PostgresPartitionRepository',
  metadata: 'The options of PostgresMetadataProvider',
  advisoryLock: 'The options of PostgresAdvisoryLockManager',
  redisLock: 'The options of RedisDistributedLockManager',
  commandHooks: 'The commands of commandHooks',
  look: 'The options of the call',
  stop: 'The options of the call',
  run: 'The options of the call',
  fleet: 'The options of the fleet',
  target: 'The options of the target',
  job: 'The options of maintainPartitions',
  grants: 'The options of findMissingGrants',
}

/** Where an option belongs that is given in another place, or what does what is wanted. */
const ofCreation = Object.fromEntries(
  Object.keys(shapes.createPartsmith).map((name) => [name, 'it is given to createPartsmith']),
)
const ofRuns = Object.fromEntries(
  Object.keys(runShape).map((name) => [name, 'it is given with a call, such as maintain']),
)
const dryRun = { dryRun: 'call plan, which decides and changes nothing' }
const elsewhere: Partial<Readonly<Record<Call, Readonly<Record<string, string>>>>> = {
  createPartsmith: { ...ofRuns, ...dryRun },
  service: { ...ofRuns, ...dryRun },
  look: ofCreation,
  run: { ...ofCreation, ...dryRun },
  fleet: { ...ofCreation, ...dryRun },
  target: { ...ofCreation, ...dryRun },
  job: { ...ofRuns, ...dryRun },
  commandHooks: { timeoutSeconds: 'give hookTimeoutMs to createPartsmith' },
}

const schemas = new Map<Call, z.ZodType>()

/** Throws an `InvalidPartitionConfigError` that lists everything that is wrong with the options of one call. */
export function checkOptions(call: Call, options: unknown): void {
  const { error } = schemaOf(call).safeParse(options)
  if (error === undefined) return
  const problems = problemsOf(error)
  const what = titles[call]
  const said = sayProblems(problems, { single: `${what} cannot be used.`, several: `${what} have` })
  throw new InvalidPartitionConfigError(`${said}${problems.length === 1 ? ' ' : '\n'}Nothing was changed.`, {
    problems,
  })
}

function schemaOf(call: Call): z.ZodType {
  const schema = schemas.get(call) ?? strict('an object of options', shapes[call], elsewhere[call])
  schemas.set(call, schema)
  return schema
}
