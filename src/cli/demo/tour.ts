import type { Pool } from 'pg'
import { createPartsmith, type DocumentTable } from '../../index.ts'
import { applyPlans } from '../commands/apply.ts'
import { inspectTables } from '../commands/inspect.ts'
import { planTables } from '../commands/plan.ts'
import type { CommandIo } from '../command-io.ts'
import type { DatabaseIdentity } from '../database-identity.ts'
import { worstOf, type ExitCode } from '../exit-code.ts'
import { progressOn } from '../log.ts'
import { hidePasswords } from '../redact.ts'
import { wrap } from '../render/columns.ts'
import { printable } from '../render/printable.ts'
import { formatCount, formatTook } from '../render/quantities.ts'
import type { Page } from '../render/style.ts'
import { type CommandReport, pageOf } from '../report.ts'
import type { Workspace } from '../workspace.ts'
import {
  countEvents,
  countExpired,
  demoConfig,
  demoSettings,
  makeEvents,
  monthsOfRows,
} from './events-table.ts'

export interface TourStage {
  readonly pool: Pool
  readonly schema: string
  readonly database: DatabaseIdentity
  readonly secrets: readonly string[]
  readonly verbose: boolean
}

/** Shows a table before, what is due, doing it, after, and that a second run has nothing to do. */
export async function giveTour(stage: TourStage, io: CommandIo): Promise<ExitCode> {
  const { pool, schema } = stage
  const page = pageOf(io.out, io)
  const say = (text: string): void => {
    io.out.write(`${wrap(text, { first: '', columns: Math.min(80, page.columns) }).join('\n')}\n`)
  }
  const workspace = workspaceOf(stage, io)

  say(
    `Making ${schema}.events: ${monthsOfRows} months of rows, one partition a month, and a DEFAULT partition with rows of the coming month, for which nobody made a partition.`,
  )
  const started = performance.now()
  await makeEvents(pool, { schema, signal: io.signal })
  const before = await countEvents(pool, schema)
  const expired = await countExpired(pool, schema)
  say(`${formatCount(before)} rows in ${formatTook(performance.now() - started)}.`)

  say(chapter(page, 'Before', 'pg-partsmith inspect'))
  const first = show(await inspectTables(workspace, { observe: false }), page, io)

  say(chapter(page, 'What is due', 'pg-partsmith plan'))
  say(
    `Wanted are ${demoSettings.createAheadCount} months from now on and ${demoSettings.retentionCount} months kept, each counting the current one.\n`,
  )
  const planned = await planTables(workspace, { check: false, sql: false, locks: false, save: undefined })
  const second = show(planned, page, io)

  say(chapter(page, 'Doing it', 'pg-partsmith apply --allow-destructive'))
  const applied = await applyPlans(workspace, {
    allowDestructive: true,
    continueOnError: false,
    okIfLocked: false,
    quiet: false,
    observe: false,
  })
  const third = show(applied, page, io)
  io.signal.throwIfAborted()

  say(chapter(page, 'After', 'pg-partsmith inspect'))
  await pool.query(`ANALYZE ${schema}.events`)
  const fourth = show(await inspectTables(workspace, { observe: false }), page, io)
  const after = await countEvents(pool, schema)
  if (after !== before - expired) {
    throw new Error(`${before} rows less ${expired} expired ones should be left, and ${after} are`)
  }
  const kept = `${formatCount(before)} rows before, ${formatCount(after)} now: ${formatCount(expired)} went with the expired months, and every other row is still found, those from DEFAULT in a partition of their own.`
  say(`\n${wrap(kept, { first: '', columns: page.columns }).join('\n')}`)

  say(chapter(page, 'Once more', 'pg-partsmith plan --check'))
  const again = await planTables(workspace, { check: true, sql: false, locks: false, save: undefined })
  const fifth = show(again, page, io)
  if (fifth === 0) say(`\n${page.style.good('Second run: nothing to do.')}`)
  return worstOf([first, second, third, fourth, fifth])
}

function workspaceOf({ pool, schema, database, secrets, verbose }: TourStage, io: CommandIo): Workspace {
  const hide = (text: string): string => hidePasswords(text, secrets)
  const progress = progressOn(io.err, { verbose, hide })
  const table: DocumentTable = { config: demoConfig(schema), allowDestructive: false }
  return {
    tables: [table],
    partsmith: createPartsmith({ pool, logger: progress.logger }),
    progress,
    io,
    verbose,
    hide,
    database,
    reach: async () => void (await pool.query('SELECT 1')),
  }
}

/** Prints what the command would print, and gives its exit code; what went wrong is thrown. */
function show({ tables, closing, exitCode = 0 }: CommandReport, page: Page, io: CommandIo): ExitCode {
  for (const table of tables) {
    if (table.error !== undefined) throw table.error
    io.out.write(`${table.lines(page).join('\n').trimEnd()}\n`)
  }
  io.out.write(`\n${wrap(printable(closing), { first: '', columns: page.columns }).join('\n')}\n`)
  return worstOf([exitCode, ...tables.map((table) => table.exitCode)])
}

function chapter({ style, columns }: Page, title: string, command: string): string {
  const head = `${title}: ${command}`
  return `\n${style.heading(head)} ${style.muted('─'.repeat(Math.max(0, Math.min(columns, 80) - head.length - 1)))}\n`
}
