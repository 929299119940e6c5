/** The same DDL as text, sent by psql; where there is none, by a bare client of `pg`, statement by statement. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'

import { run } from './folder.ts'

export interface TextSender {
  readonly name: string
  /** Sends the statements in one session and says how long it took, the start of psql included. */
  send(text: string): Promise<number>
}

export async function findTextSender(url: string): Promise<TextSender> {
  const version = await run('psql', ['--version']).catch(() => undefined)
  return version === undefined ? bareClient(url) : psql(url, version.trim())
}

function psql(url: string, name: string): TextSender {
  return {
    name,
    send: async (text) => {
      const folder = await mkdtemp(join(tmpdir(), 'pg-partsmith-bench-sql-'))
      try {
        const file = join(folder, 'statements.sql')
        await writeFile(file, text)
        const started = performance.now()
        await run('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', file, '-d', url])
        return performance.now() - started
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    },
  }
}

function bareClient(url: string): TextSender {
  return {
    name: 'a bare pg client, because there is no psql',
    send: async (text) => {
      const statements = text.split(/;[^\n]*\n/).filter((statement) => /^(?!--)\s*\S/m.test(statement))
      const client = new Client({ connectionString: url })
      const started = performance.now()
      await client.connect()
      try {
        for (const statement of statements) await client.query(statement)
        return performance.now() - started
      } finally {
        await client.end()
      }
    },
  }
}
