/** The server of a benchmark: the packaged binaries, copied, so that a peer's files can be put beside them. */

import { spawn } from 'node:child_process'
import { copyFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Pool } from 'pg'

import type { ServerMajor } from '../src/cli/embedded/binaries.ts'
import { findBinaries } from '../src/cli/embedded/binaries.ts'
import { serverIdentity, temporaryDirectory } from '../src/cli/embedded/identity.ts'
import { folderPrefix, removeLeftovers } from '../src/cli/embedded/leftovers.ts'
import type { SupervisorReport } from '../src/cli/embedded/supervisor.ts'
import { supervisorScript } from '../src/cli/embedded/supervisor.ts'

export interface BenchServer {
  readonly version: string
  /** What differs from the defaults of PostgreSQL. */
  readonly settings: Readonly<Record<string, string>>
  /** Makes a database, as a copy of another where one is named, and gives a superuser's URL of it. */
  createDatabase(name: string, template?: string): Promise<string>
  dropDatabase(name: string): Promise<void>
  /** Changes a setting of the whole server, without a restart; undefined puts it back. */
  set(setting: string, value: string | undefined): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface BenchServerOptions {
  readonly major: ServerMajor
  /** Files of an extension: its control file and its scripts. */
  readonly extension?: readonly string[]
  readonly settings?: Readonly<Record<string, string>>
}

export function serverMajor(text: string): ServerMajor {
  const major = ([15, 16, 17, 18] as const).find((known) => String(known) === text)
  if (major === undefined) throw new Error(`${text} is none of the packaged servers: 15, 16, 17, 18.`)
  return major
}

/**
 * Starts a server that ends, with its files, when this process does.
 *
 * Durability is off: what is compared is locks, statements and catalogs, and not this machine's disk.
 */
export async function startBenchServer(options: BenchServerOptions): Promise<BenchServer> {
  const binaries = findBinaries(options.major)
  const identity = serverIdentity()
  const temporary = temporaryDirectory(identity)
  await removeLeftovers(temporary)
  const settings = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', ...options.settings }
  const script = supervisorScript({
    folderPrefix: folderPrefix(temporary),
    native: join(binaries.packageDirectory, 'native'),
    copy: true,
    links: binaries.links,
    ...(identity && { identity }),
    settings,
  })
  const supervisor = spawn(process.execPath, ['--input-type=commonjs', '--eval', script], {
    cwd: '/',
    env: { ...process.env, NODE_OPTIONS: '' },
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => supervisor.once('exit', resolve))
  const report = await firstLine(supervisor.stdout)
  if (report.kind === 'failed') throw new Error(report.message)

  // The server looks for an extension when it is created, so the files may come after the start.
  const extensions = join(report.folder, 'native', 'share', 'postgresql', 'extension')
  for (const file of options.extension ?? []) await copyFile(file, join(extensions, basename(file)))

  const base = `postgres://postgres@127.0.0.1:${report.port}/`
  const pool = new Pool({ connectionString: `${base}postgres`, max: 1 })
  pool.on('error', () => undefined)
  const { rows } = await pool.query<{ version: string }>(
    `SELECT current_setting('server_version') AS version`,
  )
  return {
    version: rows[0]?.version ?? '',
    settings,
    createDatabase: async (name, template = 'template0') => {
      await pool.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      // A large database is copied as files, which writes no WAL, and checkpoints before and not during what follows.
      const strategy = template === 'template0' ? 'WAL_LOG' : 'FILE_COPY'
      await pool.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY ${strategy}`)
      return `${base}${name}`
    },
    dropDatabase: async (name) => {
      await pool.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
    set: async (setting, value) => {
      await pool.query(
        value === undefined ? `ALTER SYSTEM RESET ${setting}` : `ALTER SYSTEM SET ${setting} = '${value}'`,
      )
      await pool.query('SELECT pg_reload_conf()')
    },
    [Symbol.asyncDispose]: async () => {
      await pool.end()
      supervisor.stdin.end()
      await ended
    },
  }
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<SupervisorReport> {
  for await (const line of createInterface({ input: stream })) {
    const report: SupervisorReport = JSON.parse(line)
    return report
  }
  return { kind: 'failed', message: 'The supervisor of the server ended without a word.' }
}
