import type { LockHolder } from '../plan/blocker.ts'
import type { DdlLimits } from './settings.ts'
import type { Sql } from './sql.ts'

/**
 * What is sent to the server to carry out one operation: the same value is printed by `plan --sql` and run by `apply`.
 *
 * A step commits on its own. Within a step everything is known beforehand but what a `found` part composes from a
 * question that the step itself asks under its locks.
 */
export type Step = TransactionStep | CommandStep | RepeatStep

/** Statements in one transaction, after `settings` have been made local to it. */
export interface TransactionStep {
  readonly kind: 'transaction'
  /** What the step is for, in a few words. */
  readonly label: string
  readonly settings: Sql
  readonly actions: readonly Action[]
  /** Its last statement waits for older snapshots of the whole database, within these limits. */
  readonly waitsForSnapshots?: DdlLimits
}

/** One statement that cannot run in a transaction, with the session settings that must hold for it. */
export interface CommandStep {
  readonly kind: 'command'
  readonly label: string
  readonly before: Sql
  /** The same, and done without where the server's platform does not have it. */
  readonly watch: Sql
  readonly statement: Sql
  readonly after: Sql
  /** Locks the partition against being renamed or dropped until the statement has it; ends when it is pending. */
  readonly pin: {
    readonly settings: Sql
    readonly lock: Sql
    readonly check: Guard
    /** Whom the statement would wait for, and the sentence about those who may keep it waiting for long. */
    readonly others: {
      readonly ask: Sql
      readonly expect: string
      readonly check: (
        rows: readonly Row[],
      ) => { readonly reason: string; readonly holders: readonly LockHolder[] } | undefined
    }
    readonly isPending: Sql
  }
  /** Finishes what the statement has begun, where others came to wait behind it and it was cancelled for them. */
  readonly finish: TransactionStep
}

/** One transaction for each row that a question answers with, asked again until there are none. */
export interface RepeatStep {
  readonly kind: 'repeat'
  readonly label: string
  readonly ask: Sql
  readonly describe: string
  make(row: Row): TransactionStep
}

export type Action =
  | { readonly kind: 'execute'; readonly sql: Sql }
  | Guard
  | {
      readonly kind: 'locks'
      /** The statements that take the locks, in another order with each attempt; the first is 1. */
      take(attempt: number): readonly Action[]
    }
  | {
      readonly kind: 'found'
      readonly ask: Sql
      /** What is done with the answer, for people who read the statements beforehand. */
      readonly describe: string
      /** What follows from the answer. A refusal rolls the transaction back. */
      make(row: Row): readonly Action[] | Refusal
      /** How many rows will move, where the answer tells. */
      rows?(row: Row): number
      /** The partition's OID, where the answer tells. */
      oid?(row: Row): string | undefined
      /** How large the table is, where the answer tells. */
      measured?(row: Row): Partial<TableMeasure>
    }

/** How large a table is. */
export interface TableMeasure {
  /** With its indexes and what is stored apart. */
  readonly sizeBytes: number
  /** Left out where the server does not know, and the role may not read the table. */
  readonly rows?: { readonly number: number; readonly is: 'exactly' | 'about' | 'more than' }
}

/** A statement that is run whatever is found. */
export function execute(statement: Sql): Action {
  return { kind: 'execute', sql: statement }
}

/** A question whose answer must be as planned, asked under the locks taken before it. */
export interface Guard {
  readonly kind: 'guard'
  readonly ask: Sql
  readonly expect: string
  /** The sentence about what moved, or nothing when all is as planned. */
  check(row: Row | undefined): Refusal | undefined
}

export interface Refusal {
  readonly code:
    | 'stale'
    | 'unmanaged'
    | 'attached'
    | 'not-found'
    | 'pending'
    | 'raced'
    | 'rows-in-default'
    | 'foreign'
    | 'published'
    | 'referenced'
    | 'unlike'
    | 'lacks'
    | 'untrusted'
  readonly message: string
  /** What a person can do about it, where the code alone does not say. */
  readonly next?: string
}

export type Row = Readonly<Record<string, unknown>>
