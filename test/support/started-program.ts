/** Programs that tests start: found on the machine, on a port of their own, and ended with the test run. */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createServer } from 'node:net'
import { delimiter, join } from 'node:path'

/** Where a program is, in the folders of the PATH and then in others. */
export function findProgram(name: string, others: readonly string[] = []): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...others]
  return folders.map((folder) => join(folder, name)).find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

export interface ProgramToStart {
  readonly program: string
  args(port: number): readonly string[] | Promise<readonly string[]>
  /** Whether what the program has said so far says that it takes connections. */
  isReady(this: void, log: string): boolean
  /** Runs it as this user. */
  readonly identity?: { readonly uid: number; readonly gid: number } | undefined
}

export interface StartedProgram {
  readonly port: number
  stop(this: void): Promise<void>
}

/** Ends the program when the pipe from the test run closes, which it does also when the run is killed. */
const keeper = `
  const { spawn } = require('node:child_process')
  const program = spawn(process.argv[1], process.argv.slice(2), { stdio: ['ignore', 'inherit', 'inherit'] })
  program.on('exit', (code) => process.exit(code ?? 1))
  process.stdin.on('end', () => program.kill('SIGTERM')).resume()
`

/** Starts a program that listens on 127.0.0.1; a port that somebody else took meanwhile is not the end. */
export async function startOnFreePort(wanted: ProgramToStart): Promise<StartedProgram> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort()
    const child = spawn(
      process.execPath,
      ['--input-type=commonjs', '--eval', keeper, wanted.program, ...(await wanted.args(port))],
      { detached: true, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'], ...wanted.identity },
    )
    const log = await readyOrEnded(child, wanted)
    if (child.exitCode === null) {
      return {
        port,
        stop: () =>
          new Promise((resolve) => {
            child.once('exit', () => {
              resolve()
            })
            child.stdin.end()
          }),
      }
    }
    if (attempt === 5) throw new Error(`${wanted.program} did not start: ${log.trim()}`)
  }
}

function readyOrEnded(child: ChildProcess, { isReady }: ProgramToStart): Promise<string> {
  return new Promise((resolve) => {
    let log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        log += chunk
        if (isReady(log)) resolve(log)
      })
    }
    child.once('close', () => {
      resolve(log)
    })
  })
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port)
      })
    })
  })
}
