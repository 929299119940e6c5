/** Processes that start an embedded server with the starter as it is built, to be ended in every way there is. */

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { chmod, cp, lstat, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

/** What a host tells of its server, or why it has none. */
interface HostAnswer {
  readonly pid: number
  readonly dataDirectory: string
  readonly url: string
  readonly code?: string
  readonly message?: string
}

export interface Host {
  readonly pid: number
  /** Resolves when the server runs or could not be started. */
  readonly answer: Promise<HostAnswer>
  /** Resolves with the signal or exit code of the host. */
  readonly ended: Promise<NodeJS.Signals | number>
  /** `stop` awaits the server's stop, `exit` and `throw` do not, `finish` only has nothing more to do. */
  tell(command: 'stop' | 'exit' | 'throw' | 'finish'): void
}

export interface HostOptions {
  /** The working directory; the binaries are looked up from there. Default: this repository. */
  readonly cwd?: string
  /** What becomes TMPDIR. */
  readonly temporary: string
  readonly environment?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly server?: { readonly preferredPort?: number; readonly settings?: Readonly<Record<string, string>> }
}

const repository = fileURLToPath(new URL('../..', import.meta.url))

const hostScript = `
import { startEmbeddedServer } from './server.js'
const say = (answer) => process.stdout.write(JSON.stringify(answer) + '\\n')
const commands = {
  exit: () => process.exit(7),
  throw: () => { throw new Error('thrown on purpose') },
  finish: () => process.stdin.destroy(),
}
try {
  const server = await startEmbeddedServer(JSON.parse(process.argv[2]))
  process.stdin.on('data', async (command) => {
    if (String(command) === 'stop') {
      await server.stop()
      process.exit(0)
    }
    commands[String(command)]()
  })
  say({ pid: server.pid, dataDirectory: server.dataDirectory, url: server.url })
} catch (error) {
  say({ code: error.code, message: error.message })
}
`

/** Builds the starter into a directory that every user may read; gives the path of the host's script. */
export async function buildHost(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'partsmith-host-'))
  await chmod(directory, 0o755)
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  const source = join(repository, 'src/cli/embedded/server.ts')
  const options =
    '--ignoreConfig --rewriteRelativeImportExtensions --module nodenext --target es2023 --types node --skipLibCheck'
  const library = ['--lib', 'es2023,esnext.disposable', '--outDir', directory]
  execFileSync(process.execPath, [compiler, source, ...options.split(' '), ...library], { cwd: repository })
  await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
  await writeFile(join(directory, 'host.js'), hostScript)
  return join(directory, 'host.js')
}

/** Starts a host in a process group of its own, as a shell does; it is killed when the test is over. */
export function startHost(script: string, options: HostOptions): Host {
  const child = spawn(process.execPath, [script, JSON.stringify(options.server ?? {})], {
    cwd: options.cwd ?? repository,
    env: { PATH: process.env['PATH'], ...options.environment, TMPDIR: options.temporary },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
  })
  const ended = once(child, 'exit').then(
    ([code, signal]: (NodeJS.Signals | number)[]) => signal ?? code ?? -1,
  )
  const answer = once(child.stdout.setEncoding('utf8'), 'data').then(([line]: string[]) => {
    const parsed: HostAnswer = JSON.parse(line ?? '')
    return parsed
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await until(() => processesOf(options.temporary).length === 0, 'the servers of the test are gone')
  })
  return {
    pid: child.pid ?? 0,
    answer,
    ended,
    tell: (command) => {
      child.stdin.write(command)
    },
  }
}

/** A directory of this test alone that every user may write to. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'partsmith-test-'))
  await chmod(directory, 0o777)
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A project with the given package installed the way npm does it without running install scripts: no links. */
export async function projectWithoutLinks(packageName: string, packageDirectory: string): Promise<string> {
  const project = await temporaryDirectory()
  const target = join(project, 'node_modules', packageName)
  await mkdir(target, { recursive: true })
  await cp(packageDirectory, target, {
    recursive: true,
    filter: async (path) => !(await lstat(path)).isSymbolicLink(),
  })
  return project
}

/** The processes that belong to a folder: named in their command line, or working in it. */
export function processesOf(folder: string): readonly string[] {
  if (process.platform !== 'linux') {
    const all = execFileSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8' }).split('\n')
    return all.filter((line) => line.includes(folder) && !line.includes(' -axww '))
  }
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return commandLine.includes(folder) || readlinkSync(`/proc/${pid}/cwd`).startsWith(folder)
    } catch {
      return false
    }
  })
}

/** Waits until no process belongs to the folder and the folder is gone; at most 20 seconds. */
export async function untilGone(folder: string): Promise<void> {
  await until(() => !existsSync(folder) && processesOf(folder).length === 0, `${folder} is gone`)
}

/** Asks again and again, because processes of others cannot be awaited; gives up after 20 seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 20_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`Waited 20 seconds until ${what}, in vain.`)
    await sleep(10)
  }
}
