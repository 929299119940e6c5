import { findProgram } from './started-program.ts'

/** Debian puts it where the PATH of an ordinary user does not lead. */
export const pgBouncerProgram: string | undefined = findProgram('pgbouncer', ['/usr/sbin', '/usr/local/sbin'])

/** Completes the sentence "the PgBouncer tests were skipped, because ...". */
export const whyNoPgBouncer: string =
  pgBouncerProgram === undefined ? 'pgbouncer is neither on the PATH nor in /usr/sbin' : ''
