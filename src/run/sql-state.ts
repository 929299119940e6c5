import { ConnectionFailedError, PartitionError } from '../errors.ts'

/** The SQLSTATEs that the library reacts to, by PostgreSQL's own condition names. */
export const sqlStates = {
  invalidParameterValue: '22023',
  invalidTextRepresentation: '22P02',
  uniqueViolation: '23505',
  foreignKeyViolation: '23503',
  checkViolation: '23514',
  activeSqlTransaction: '25001',
  readOnlySqlTransaction: '25006',
  inFailedSqlTransaction: '25P02',
  idleInTransactionSessionTimeout: '25P03',
  invalidPassword: '28P01',
  invalidAuthorizationSpecification: '28000',
  dependentObjectsStillExist: '2BP01',
  invalidCatalogName: '3D000',
  serializationFailure: '40001',
  deadlockDetected: '40P01',
  insufficientPrivilege: '42501',
  undefinedFunction: '42883',
  undefinedTable: '42P01',
  duplicateTable: '42P07',
  duplicateObject: '42710',
  invalidObjectDefinition: '42P17',
  wrongObjectType: '42809',
  tooManyConnections: '53300',
  outOfMemory: '53200',
  datatypeMismatch: '42804',
  internalError: 'XX000',
  objectNotInPrerequisiteState: '55000',
  objectInUse: '55006',
  lockNotAvailable: '55P03',
  queryCanceled: '57014',
  adminShutdown: '57P01',
  crashShutdown: '57P02',
  cannotConnectNow: '57P03',
  idleSessionTimeout: '57P05',
} as const

export type SqlStateName = keyof typeof sqlStates

const fiveCharacters = /^[0-9A-Z]{5}$/
// EPIPE and EBUSY have the shape of a SQLSTATE; a SQLSTATE of letters only that begins with E is not known.
const systemErrorName = /^E[A-Z]{4}$/

/**
 * The SQLSTATE that an error, or an error that caused it, carries; undefined when the server did not say one.
 *
 * Drivers put it under `code` (pg, postgres.js, PGlite) or `errno` (Bun), query builders keep the driver's error as
 * `cause` or `driverError`.
 */
export function sqlStateOf(error: unknown): string | undefined {
  for (const link of chainOf(error)) {
    const found = [link['code'], link['errno']].find((value) => isSqlState(value, link))
    if (typeof found === 'string') return found
  }
  return undefined
}

/** Whether the server answered with this SQLSTATE: `hasSqlState(error, 'lockNotAvailable')`. */
export function hasSqlState(error: unknown, ...names: readonly SqlStateName[]): boolean {
  const state = sqlStateOf(error)
  return names.some((name) => sqlStates[name] === state)
}

const refusedOrEnded = new Set<string>([
  sqlStates.invalidPassword,
  sqlStates.invalidAuthorizationSpecification,
  sqlStates.invalidCatalogName,
  sqlStates.tooManyConnections,
  sqlStates.adminShutdown,
  sqlStates.crashShutdown,
  sqlStates.cannotConnectNow,
  sqlStates.idleSessionTimeout,
  '57P04', // database_dropped
  sqlStates.idleInTransactionSessionTimeout,
  '25P04', // transaction_timeout
])

const brokenConnectionCodes = new Set<unknown>([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ENOENT', // no server on this Unix socket
  // postgres.js
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'connection-failed',
])

/**
 * Whether an error says that there is no usable session: the server was not reached, refused the login, has no such
 * database, is full, or ended the connection.
 */
export function isConnectionFailure(error: unknown): boolean {
  if (error instanceof ConnectionFailedError) return true
  const state = sqlStateOf(error)
  if (state !== undefined) return state.startsWith('08') || refusedOrEnded.has(state)
  return chainOf(error).some((link) => brokenConnectionCodes.has(link['code']))
}

type ErrorLink = Readonly<Record<string, unknown>>

/** The error and what caused it, outermost first. */
function chainOf(error: unknown): readonly ErrorLink[] {
  const links: ErrorLink[] = []
  let next: unknown = error
  while (isObject(next) && links.length < 10) {
    links.push(next)
    next = next['cause'] ?? next['driverError']
  }
  return links
}

function isObject(value: unknown): value is ErrorLink {
  return typeof value === 'object' && value !== null
}

function isSqlState(value: unknown, link: ErrorLink): boolean {
  // Node's own errors have a numeric errno and the system call.
  if (typeof link['errno'] === 'number' || typeof link['syscall'] === 'string') return false
  return typeof value === 'string' && fiveCharacters.test(value) && !systemErrorName.test(value)
}

/**
 * What an error says, also where its message is empty, as with a connection that was tried at several addresses, and
 * where it is no error: hooks and the parts that are a user's own can throw anything.
 */
export function describeError(error: unknown): string {
  try {
    return describe(error)
  } catch {
    return unreadable
  }
}

const unreadable = 'something was thrown that cannot be read'

function describe(error: unknown): string {
  if (!isObject(error)) {
    const text = String(error)
    return text === 'null' || text === 'undefined' ? `${text} was thrown` : text
  }
  const { message, errors, code, name } = error
  if (typeof message === 'string' && message !== '') return message
  if (Array.isArray(errors) && errors.length > 0) return errors.map(describeError).join('; ')
  if (typeof code === 'string') return code
  return typeof name === 'string' ? name : 'an error without a message'
}

/** What was thrown, or an error in its place when it cannot even be looked at, as a Proxy can have it. */
export function readableError(thrown: unknown): unknown {
  try {
    describe(thrown)
    sqlStateOf(thrown)
    // Asks for its prototype.
    void (thrown instanceof Error)
    return thrown
  } catch {
    return new PartitionError(describeError(thrown))
  }
}
