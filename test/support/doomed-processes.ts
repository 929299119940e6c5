/** Processes that run something and are killed in the middle, as by `kill -9`. */

import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

import type { World } from './crash-scenarios.ts'
import type { KilledJob } from './killed-run.ts'

type Doomed = ChildProcessByStdio<Writable, null, null>

const repository = fileURLToPath(new URL('../..', import.meta.url))

export class DoomedProcesses implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'partsmith-killed-'))
  /** Started before it is needed, so that it has read its modules by then. */
  #next: Doomed | undefined

  constructor() {
    buildInto(this.#directory)
  }

  /** Has a process run this until it is killed, right after it has sent the statement `dieAt`. */
  async killed(job: KilledJob, where: string): Promise<void> {
    const child = this.#next ?? this.#start()
    this.#next = this.#start()
    child.stdin.write(`${JSON.stringify(job)}\n`)
    const [, signal]: unknown[] = await once(child, 'exit')
    if (signal !== 'SIGKILL') throw new Error(`The process was not killed: ${where}`)
  }

  [Symbol.dispose](): void {
    this.#next?.kill('SIGKILL')
    rmSync(this.#directory, { recursive: true })
  }

  #start(): Doomed {
    return spawn(process.execPath, [join(this.#directory, 'test/support/killed-run.js')], {
      stdio: ['pipe', 'ignore', 'inherit'],
      env: { PATH: process.env['PATH'] },
    })
  }
}

/** The server goes on with the statement that it has, and ends the session when it looks for its client. */
export async function untilTheServerNoticed({ sql }: Pick<World, 'sql'>): Promise<void> {
  const alive = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'killed'`
  while ((await sql(alive)).length > 0);
}

/** Types were checked elsewhere; this only makes JavaScript of what the process runs. */
function buildInto(target: string): void {
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  const options =
    '--ignoreConfig --rewriteRelativeImportExtensions --module nodenext --target es2023 --types node --skipLibCheck --noCheck'
  const places = ['--lib', 'es2023,esnext.disposable', '--rootDir', repository, '--outDir', target]
  const source = join(repository, 'test/support/killed-run.ts')
  execFileSync(process.execPath, [compiler, source, ...options.split(' '), ...places], { cwd: repository })
  writeFileSync(join(target, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(repository, 'node_modules'), join(target, 'node_modules'))
}
