/** The command line, as its users have it: the built program, or the same thing inside this process. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, onTestFinished } from 'vitest'
import type { CommandIo, Screen } from '../../src/cli/command-io.ts'
import { runCli } from '../../src/cli/run-cli.ts'
import { majors, type ServerMajor } from './database.ts'

export interface CliRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  /** Default: an empty directory that is removed after the test. */
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Another build of the program; it is run as it is. */
  readonly program?: string
}

export type Cli = (args: readonly string[], options?: CliOptions) => Promise<CliRun>

/**
 * Defines the same tests twice on the newest server: for the program inside this process, where every line counts as
 * covered, and for the built program, which is what users run.
 */
export function describeCli(name: string, define: (major: ServerMajor, cli: Cli) => void): void {
  describe(`${name} (in this process)`, () => {
    define(newest, runInProcess)
  })
  describe(`${name} (the built program)`, () => {
    define(newest, runBinary)
  })
}

/** As `describeCli`, and inside this process on every server. */
export function describeCliOnEachServer(name: string, define: (major: ServerMajor, cli: Cli) => void): void {
  for (const major of majors) {
    describe(`${name} (PostgreSQL ${major})`, () => {
      define(major, runInProcess)
    })
  }
  describe(`${name} (PostgreSQL ${newest}, the built program)`, () => {
    define(newest, runBinary)
  })
}

/** The text with every line end and indentation turned into one space: sentences are wrapped to the page. */
export function unwrapped(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

export const newest: ServerMajor = majors.at(-1) ?? 18

/** An empty directory of one test. */
export function workingDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'partsmith-cli-'))
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true })
  })
  return directory
}

export const runInProcess: Cli = async (args, { cwd = workingDirectory(), env = {} } = {}) => {
  const written = { stdout: '', stderr: '' }
  const screen = (name: 'stdout' | 'stderr'): Screen => ({
    write: (text) => {
      written[name] += text
    },
    isTerminal: false,
    columns: 80,
  })
  const io: CommandIo = {
    out: screen('stdout'),
    err: screen('stderr'),
    env: { HOME: cwd, ...env },
    cwd,
    signal: new AbortController().signal,
  }
  const code = await runCli(args, io)
  return { code, ...written }
}

/** Runs the built program to its end. */
export const runBinary: Cli = async (args, options = {}) => {
  const program = startBinary(args, options)
  return program.ended
}

export interface BinaryOptions extends CliOptions {
  /** Closes the other end of standard output at once, as `| head` does. */
  readonly closeOutput?: boolean
}

export interface RunningCli {
  readonly pid: number
  /** What it has written so far. */
  readonly written: { readonly stdout: string; readonly stderr: string }
  readonly ended: Promise<CliRun>
  kill(signal: NodeJS.Signals): void
}

/** Starts the built program; it is killed when the test is over. */
export function startBinary(args: readonly string[], options: BinaryOptions = {}): RunningCli {
  const cwd = options.cwd ?? workingDirectory()
  const child = spawn(process.execPath, [options.program ?? builtProgram(), ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const written = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (written.stderr += text))
  if (options.closeOutput === true) child.stdout.destroy()
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  return {
    pid: child.pid ?? 0,
    written,
    // 'close' and not 'exit': the last of the output comes in between.
    ended: once(child, 'close').then(([code, signal]: (number | string | null)[]) => ({
      code: typeof code === 'number' ? code : -1,
      stdout: written.stdout,
      stderr: signal === null ? written.stderr : `${written.stderr}ended by ${signal}`,
    })),
    kill: (signal) => {
      child.kill(signal)
    },
  }
}

const repository = fileURLToPath(new URL('../..', import.meta.url))

/** `npm test` builds first; without it the program is built when it is missing or older than its sources. */
export function builtProgram(): string {
  const given = process.env['PARTSMITH_CLI']
  if (given !== undefined && given !== '') return given
  const program = join(repository, 'dist/cli/main.js')
  if (!isFresh(program)) build(program)
  return program
}

function isFresh(program: string): boolean {
  return existsSync(program) && statSync(program).mtimeMs >= newestSource()
}

let known: number | undefined

function newestSource(): number {
  known ??= Math.max(
    ...readdirSync(join(repository, 'src'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  )
  return known
}

/** Test files run side by side: whoever makes the directory builds, the others wait for it to go. */
function build(program: string): void {
  mkdirSync(join(repository, '.cache'), { recursive: true })
  const lock = join(repository, '.cache/cli.building')
  const end = Date.now() + 120_000
  while (Date.now() < end) {
    try {
      mkdirSync(lock)
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      continue
    }
    try {
      if (isFresh(program)) return
      const compiler = join(repository, 'node_modules/typescript/bin/tsc')
      execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: repository })
      execFileSync(process.execPath, ['scripts/make-executable.mjs'], { cwd: repository })
      return
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
  throw new Error(`${lock} did not go away; remove it if nothing builds.`)
}

/** Asks again and again, because other processes cannot be awaited; gives up after 20 seconds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const end = Date.now() + 20_000
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`Waited 20 seconds until ${what}, in vain.`)
    await sleep(20)
  }
}
