/** Defines the tests of a page: one for each of its blocks, in the order in which a reader meets them. */

import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { ServerMajor, TestDatabase } from '../database.ts'
import { createDatabase } from '../database.ts'
import { launchPgBouncer } from '../pgbouncer.ts'
import type { LaunchedPgBouncer } from '../pgbouncer.ts'
import { pgBouncerProgram } from '../pgbouncer-program.ts'
import { redisUrl } from '../redis.ts'
import type { MarkdownPage } from './markdown.ts'
import { parseMarkdown } from './markdown.ts'
import { accepting, acceptOutputs, comparison } from './outputs.ts'
import { expectStep } from './run-step.ts'
import type { Need } from './steps.ts'
import { stepsOf } from './steps.ts'
import type { Workspace } from './workspace.ts'
import { makeWorkspace, repository } from './workspace.ts'

export function readPage(path: string): MarkdownPage {
  return parseMarkdown(path, readFileSync(join(repository, path), 'utf8'))
}

/** The Markdown files of a folder and the folders in it, relative to the repository. */
export function pagesIn(folder: string): readonly string[] {
  return readdirSync(join(repository, folder))
    .sort()
    .flatMap((entry) => {
      const path = posix.join(folder, entry)
      if (statSync(join(repository, path)).isDirectory()) return pagesIn(path)
      return entry.endsWith('.md') ? [path] : []
    })
}

/**
 * Each page has a database and a folder of its own; `copyOf` is what lies in the folder from the start.
 *
 * The commands find the database in `DATABASE_URL` and, for the command line, in `PG_PARTSMITH_URL`.
 */
export function describePage(
  path: string,
  { major, copyOf }: { readonly major: ServerMajor; readonly copyOf?: string },
): void {
  const steps = stepsOf(readPage(path))
  // A page without blocks has been read, and there is nothing to try.
  if (steps.length === 0) return
  const redis = redisUrl()
  const missing: readonly Need[] = [
    ...(redis === undefined ? (['redis'] as const) : []),
    ...(pgBouncerProgram === undefined ? (['pgbouncer'] as const) : []),
  ]
  const isPooled = !missing.includes('pgbouncer') && steps.some(({ needs }) => needs.includes('pgbouncer'))
  describe(`${path} (PostgreSQL ${major})`, () => {
    let database: TestDatabase
    let workspace: Workspace
    let pooler: LaunchedPgBouncer | undefined
    const { compareOutput, finish } = accepting ? acceptOutputs(path) : comparison
    beforeAll(async () => {
      database = await createDatabase(major)
      if (isPooled) pooler = await launchPgBouncer(database)
      workspace = await makeWorkspace({
        environment: {
          DATABASE_URL: database.url,
          PG_PARTSMITH_URL: database.url,
          ...(redis !== undefined && { REDIS_URL: redis }),
          ...(pooler !== undefined && { POOLER_URL: pooler.urlFor() }),
        },
        ...(copyOf !== undefined && { copyOf }),
      })
    })
    afterAll(async () => {
      finish()
      await workspace.remove()
      await pooler?.stop()
      await database.drop()
    })

    for (const step of steps) {
      const name = `does what line ${step.line} shows (${[step.kind, ...step.needs].join(', ')})`
      it.skipIf(step.needs.some((need) => missing.includes(need)))(name, { timeout: 120_000 }, async () => {
        await expectStep(step, { workspace, sql: (text) => runStatements(database, text), compareOutput })
      })
    }
  })
}

/** One by one, because some statements may not stand in a transaction, and several in one text are one. */
async function runStatements(
  database: TestDatabase,
  text: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = await database.pool.connect()
  try {
    let rows: readonly Readonly<Record<string, unknown>>[] = []
    for (const statement of statementsIn(text)) rows = (await client.query(statement)).rows
    return rows
  } finally {
    client.release(true)
  }
}

/** Statements end with a semicolon at the end of a line; a `$$` body holds its own. */
function statementsIn(text: string): readonly string[] {
  const parts = text.split(/;[ \t]*(?:\n|$)/)
  const statements: string[] = []
  let open = ''
  for (const part of parts) {
    open = open === '' ? part : `${open};\n${part}`
    if (open.split('$$').length % 2 === 0) continue
    if (open.replaceAll(/^\s*--.*$/gm, '').trim() !== '') statements.push(open)
    open = ''
  }
  return statements
}
