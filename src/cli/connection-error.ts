import { ConnectionFailedError } from '../index.ts'
import type { ConnectionTarget } from './connection.ts'
import { hidePasswords } from './redact.ts'

/** Turns what a driver says about a failed connection into a sentence with the target and a next step. */
export function explainConnectionFailure(error: unknown, target: ConnectionTarget): ConnectionFailedError {
  const cause = firstOf(error)
  const { code, message } = factsOf(cause)
  const said = message.replace(/\.$/, '')
  const [what, next] = explanationOf({ code, message })?.(said) ?? [
    said === '' ? code : said,
    'Check that a PostgreSQL server listens there.',
  ]
  const note = code.startsWith('28') && target.passwordNote !== undefined ? ` (${target.passwordNote})` : ''
  return new ConnectionFailedError(
    hidePasswords(
      `Cannot connect to ${target.name}: ${what}${note}. ${next} (From ${target.source}.)`,
      target.secrets,
    ),
    { cause },
  )
}

/** What happened, and what to do about it; `said` is what the server or the system said. */
type Explanation = (said: string) => readonly [what: string, next: string]

const unanswered: Explanation = () => [
  'it did not answer in time',
  'Check host, port and firewall; connect_timeout in the URL sets how many seconds are waited.',
]

const closed: Explanation = () => [
  'the connection was closed before the login was done',
  'Check that a PostgreSQL server listens there, and its log.',
]

const noPassword: Explanation = () => [
  'the server asks for a password and none was given',
  'Put it in the URL, in PGPASSWORD or in ~/.pgpass.',
]

const unknownHost: Explanation = () => [
  'its host name is not known',
  'Check the name, and that DNS works here.',
]

const noRoute: Explanation = () => ['there is no route to the host', 'Check the address and the network.']

const noSocket: Explanation = (said) => [
  `its socket cannot be opened (${said})`,
  'Check that the server runs here, or give a host.',
]

const loginRefused: Explanation = (said) => [
  `the server refused the login (${said})`,
  'Check user and password, and pg_hba.conf of the server.',
]

const notUp: Explanation = (said) => [said, 'Try again when the server is up.']

const notValid: Explanation = (said) => [
  `its certificate is not valid (${said})`,
  'Renew it, and check the clocks.',
]

const notVerified: Explanation = (said) => [
  `its certificate cannot be verified (${said})`,
  'Name the certificate of its authority with sslrootcert.',
]

const noHandshake: Explanation = (said) => [
  `TLS could not be agreed on (${said})`,
  'Check that a PostgreSQL server listens there, and which versions of TLS both sides allow.',
]

/** By SQLSTATE, or by the code of the system or of its TLS. */
const byCode: Readonly<Record<string, Explanation>> = {
  '28P01': loginRefused,
  '28000': loginRefused,
  '3D000': (said) => [said, 'Check the name of the database.'],
  '42501': (said) => [said, 'Grant CONNECT on the database to the user.'],
  '53300': (said) => [said, 'Free some connections, or raise max_connections.'],
  '57P01': notUp,
  '57P02': notUp,
  '57P03': notUp,
  ENOTFOUND: unknownHost,
  EAI_AGAIN: unknownHost,
  ECONNREFUSED: () => [
    'nothing listens there',
    'Check host and port, and that the server runs and accepts TCP connections.',
  ],
  ENOENT: noSocket,
  EACCES: noSocket,
  EHOSTUNREACH: noRoute,
  ENETUNREACH: noRoute,
  ETIMEDOUT: unanswered,
  ECONNRESET: closed,
  EPIPE: closed,
  EPROTO: noHandshake,
  ERR_TLS_CERT_ALTNAME_INVALID: (said) => [
    `its certificate is for another host (${said})`,
    'Connect by the name in the certificate; sslmode=verify-ca does not look at the name.',
  ],
  CERT_HAS_EXPIRED: notValid,
  CERT_NOT_YET_VALID: notValid,
  CERT_REVOKED: notValid,
  CERT_REJECTED: notVerified,
  CERT_SIGNATURE_FAILURE: notVerified,
  CERT_UNTRUSTED: notVerified,
  DEPTH_ZERO_SELF_SIGNED_CERT: notVerified,
  SELF_SIGNED_CERT_IN_CHAIN: notVerified,
  UNABLE_TO_GET_CRL: notVerified,
  UNABLE_TO_GET_ISSUER_CERT: notVerified,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: notVerified,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: notVerified,
}

/** Errors that the driver itself makes have no code. Their words are its own, never the server's, and not translated. */
const byWords: Readonly<Record<string, Explanation>> = {
  'timeout expired': unanswered,
  'Connection terminated unexpectedly': closed,
  'There was an error establishing an SSL connection': closed,
  'The server does not support SSL connections': () => [
    'the server does not offer TLS',
    'Turn TLS on there, or use sslmode=disable where the way to it is safe.',
  ],
  'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string': noPassword,
  'SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a non-empty string': noPassword,
}

function explanationOf({ code, message }: Facts): Explanation | undefined {
  if (Object.hasOwn(byCode, code)) return byCode[code]
  if (code.startsWith('ERR_SSL_')) return noHandshake
  return Object.hasOwn(byWords, message) ? byWords[message] : undefined
}

/** Whether nobody answered, so that trying the same place once more would only wait once more. */
export function isUnanswered(error: unknown): boolean {
  const explanation = explanationOf(factsOf(firstOf(error)))
  return [unanswered, unknownHost, noRoute, noSocket, byCode['ECONNREFUSED']].includes(explanation)
}

interface Facts {
  readonly code: string
  readonly message: string
}

/** A name with several addresses fails with an error for each of them, and no words of its own. */
function firstOf(error: unknown): unknown {
  return error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error
}

function factsOf(error: unknown): Facts {
  if (!(error instanceof Error)) return { code: '', message: String(error) }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return { code, message: error.message }
}
