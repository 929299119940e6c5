import type { TableName } from '../../index.ts'
import type { DatabaseIdentity } from '../database-identity.ts'
import type { ExitCode } from '../exit-code.ts'
import type { Failure } from '../failure.ts'

/** What every command prints with `--output json`: nothing else is on stdout. */
export interface Envelope {
  /** Raised when a field changes its meaning or goes away; new fields may come without. */
  readonly version: 1
  readonly command: string
  /** ISO instant of this machine's clock. */
  readonly generatedAt: string
  readonly exitCode: ExitCode
  /** Which database was meant; left out where the command ended before it was known. */
  readonly database?: DatabaseIdentity
  readonly tables: readonly EnvelopeTable[]
  /** What ended the command before it came to the tables. */
  readonly error?: Failure
}

/** One table: its name, what the command has to say about it, and what went wrong. */
export interface EnvelopeTable extends TableName {
  readonly exitCode: ExitCode
  readonly error?: Failure
  readonly [field: string]: unknown
}

export function renderEnvelope(envelope: Omit<Envelope, 'version'>): string {
  return `${JSON.stringify({ version: 1, ...envelope } satisfies Envelope, asData, 2)}\n`
}

function asData(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
