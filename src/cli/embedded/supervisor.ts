/**
 * The process between the host and the embedded server.
 *
 * PostgreSQL outlives a parent that is killed, and a killed parent cannot clean up. So a small process of its own
 * starts the server and holds a pipe from the host: however the host ends, the pipe closes, and the supervisor stops
 * the server and deletes its folder. The host needs no signal handler for this.
 */

import type { ChildProcess } from 'node:child_process'
import type { LibraryLink } from './binaries.ts'
import type { ServerIdentity } from './identity.ts'

/** What the supervisor is told when it starts. */
export interface SupervisorOrder {
  /** The folder's path up to the supervisor's process id. */
  readonly folderPrefix: string
  /** The directory that holds `bin`, `lib` and `share`. */
  readonly native: string
  /** Whether to run a copy of `native` that lies in the folder. */
  readonly copy: boolean
  readonly links: readonly LibraryLink[]
  readonly identity?: ServerIdentity
  /** The port that is tried first. */
  readonly preferredPort?: number
  readonly settings: Readonly<Record<string, string>>
}

/** What the supervisor answers, in one line. */
export type SupervisorReport =
  | { readonly kind: 'ready'; readonly folder: string; readonly port: number; readonly pid: number }
  | { readonly kind: 'failed'; readonly message: string }

/** The supervisor as text for `node --eval`: there is no file that both a TypeScript source and a build could run. */
export function supervisorScript(order: SupervisorOrder): string {
  // Some loaders wrap every named function in a call of `__name`.
  return `const __name = (value) => value;(${supervise.toString()})(${JSON.stringify(order)})`
}

/* v8 ignore start -- @preserve: runs in a process of its own, which the tests of the embedded server watch */

/** Runs in its own process from its text alone, so it must not refer to anything outside itself. */
function supervise(order: SupervisorOrder): void {
  const { spawn } = process.getBuiltinModule('node:child_process')
  const events = process.getBuiltinModule('node:events')
  const fs = process.getBuiltinModule('node:fs')
  const { createServer } = process.getBuiltinModule('node:net')
  const path = process.getBuiltinModule('node:path')
  const { setTimeout: sleep } = process.getBuiltinModule('node:timers/promises')

  interface Running {
    readonly process: ChildProcess
    /** Resolves when the process is gone or could not be started, with the reason when it failed. */
    readonly ended: Promise<string | undefined>
    isEnded(): boolean
  }

  let folder = ''
  let server: Running | undefined
  const hangUp = new AbortController()

  const report = (answer: SupervisorReport): void => {
    try {
      fs.writeSync(1, `${JSON.stringify(answer)}\n`)
    } catch {
      // The host is gone.
    }
  }

  const copyTree = (from: string, to: string): void => {
    fs.mkdirSync(to)
    fs.chmodSync(to, 0o755)
    for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
      const source = path.join(from, entry.name)
      const target = path.join(to, entry.name)
      if (entry.isDirectory()) copyTree(source, target)
      else if (entry.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source), target)
      else {
        fs.copyFileSync(source, target, fs.constants.COPYFILE_FICLONE)
        fs.chmodSync(target, (fs.statSync(source).mode & 0o100) === 0 ? 0o644 : 0o755)
      }
    }
  }

  const copyPrograms = (): string => {
    const native = path.join(folder, 'native')
    copyTree(order.native, native)
    for (const link of order.links) {
      const target = path.join(folder, link.target)
      if (!fs.existsSync(target))
        fs.symlinkSync(path.relative(path.dirname(link.target), link.source), target)
    }
    return native
  }

  /** Starts a program as the server's user, with nothing of the host's environment, logging to the folder. */
  const start = (program: string, args: readonly string[]): Running => {
    const log = fs.openSync(path.join(folder, 'server.log'), 'a')
    const child = spawn(program, args, {
      ...order.identity,
      cwd: path.join(folder, 'data'),
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
      // A session of its own: a signal to the supervisor's group is not for the server.
      detached: true,
      stdio: ['ignore', log, log],
    })
    fs.closeSync(log)
    let done = false
    const ended = new Promise<string | undefined>((resolve) => {
      child.once('error', (error) => {
        resolve(error.message)
      })
      child.once('exit', (code, signal) => {
        resolve(code === 0 ? undefined : `${program} ended with ${signal ?? `exit code ${code}`}`)
      })
    }).finally(() => {
      done = true
    })
    return { process: child, ended, isEnded: () => done }
  }

  const readLog = (offset: number): string =>
    fs.readFileSync(path.join(folder, 'server.log'), 'utf8').slice(offset)

  const freePort = (preferred: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const probe = createServer()
      probe.once('error', () => {
        if (preferred === 0) reject(new Error('There is no free port on 127.0.0.1.'))
        else resolve(freePort(0))
      })
      probe.listen(preferred, '127.0.0.1', () => {
        const address = probe.address()
        probe.close(() => {
          resolve(typeof address === 'object' && address !== null ? address.port : preferred)
        })
      })
    })

  /** The eighth line of the lock file is the server's state, as `pg_ctl --wait` reads it. */
  const isReady = (data: string): boolean => {
    try {
      return fs.readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')[7]?.trim() === 'ready'
    } catch {
      return false
    }
  }

  const serve = async (): Promise<void> => {
    folder = fs.mkdtempSync(`${order.folderPrefix}${process.pid}-`)
    process.title = `pg-partsmith supervisor of ${folder}`
    fs.chmodSync(folder, 0o711)
    const data = path.join(folder, 'data')
    fs.mkdirSync(data, { mode: 0o700 })
    if (order.identity !== undefined) fs.chownSync(data, order.identity.uid, order.identity.gid)
    const native = order.copy ? copyPrograms() : order.native
    if (hangUp.signal.aborted) return

    const initdb = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    const failure = await start(path.join(native, 'bin', 'initdb'), initdb).ended
    if (failure !== undefined) throw new Error(`${failure}: ${readLog(0).slice(-2000).trim()}`)

    const settings = {
      ...order.settings,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
    }
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    for (let attempt = 0; !hangUp.signal.aborted; attempt += 1) {
      const port = await freePort(attempt === 0 ? (order.preferredPort ?? 0) : 0)
      const logged = readLog(0).length
      server = start(path.join(native, 'bin', 'postgres'), ['-D', data, '-p', String(port), ...flags])
      while (!server.isEnded() && !isReady(data) && !hangUp.signal.aborted) await sleep(10)
      if (!server.isEnded()) {
        report({ kind: 'ready', folder, port, pid: server.process.pid ?? 0 })
        if (!hangUp.signal.aborted) await Promise.race([events.once(hangUp.signal, 'abort'), server.ended])
        return
      }
      const log = readLog(logged)
      // Somebody else may take the port between the probe and the start.
      if (attempt === 4 || !log.includes('could not create any TCP/IP sockets')) {
        throw new Error(`${(await server.ended) ?? 'postgres ended'}: ${log.slice(-2000).trim()}`)
      }
    }
  }

  const stop = async (): Promise<void> => {
    // Fast, then immediate: each also ends the server's own children. A plain kill would leave them.
    for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
      if (server === undefined || server.isEnded()) return
      server.process.kill(signal)
      await Promise.race([server.ended, sleep(6000)])
    }
  }

  const removeFolder = (): void => {
    if (folder !== '') fs.rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
  }

  const main = async (): Promise<void> => {
    let failure: string | undefined
    try {
      await serve()
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error)
    }
    await stop()
    removeFolder()
    if (failure !== undefined) report({ kind: 'failed', message: failure })
  }

  const onHangUp = (): void => {
    hangUp.abort()
  }
  for (const event of ['end', 'error', 'close']) process.stdin.on(event, onHangUp)
  process.stdin.resume()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, onHangUp)
  main().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(String(error))
      process.exit(1)
    },
  )
}
/* v8 ignore stop -- @preserve */
