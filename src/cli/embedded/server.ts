import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { join } from 'node:path'
import { findBinaries } from './binaries.ts'
import type { ServerMajor } from './binaries.ts'
import { EmbeddedServerError } from './embedded-server-error.ts'
import { serverIdentity, temporaryDirectory } from './identity.ts'
import { folderPrefix, removeLeftovers } from './leftovers.ts'
import { supervisorScript } from './supervisor.ts'
import type { SupervisorOrder, SupervisorReport } from './supervisor.ts'
import { usableInPlace } from './usable-in-place.ts'

export interface EmbeddedServerOptions {
  /** Default 18. */
  readonly major?: ServerMajor
  /** Server settings by name. By default `fsync`, `full_page_writes` and `synchronous_commit` are off. */
  readonly settings?: Readonly<Record<string, string>>
  /** The port that is tried first; default any free one. Another one is taken when it is in use. */
  readonly preferredPort?: number
  /** Gives up the start. Once the server runs it has no effect. */
  readonly signal?: AbortSignal
}

/** A PostgreSQL server that lives no longer than this process. */
export interface EmbeddedServer {
  /** A superuser's URL of the database `postgres`, without a password. */
  readonly url: string
  readonly host: '127.0.0.1'
  readonly port: number
  readonly user: 'postgres'
  readonly major: ServerMajor
  readonly dataDirectory: string
  /** The process id of the server itself. */
  readonly pid: number
  /** Stops the server and deletes its files. May be called more than once; resolves when both are gone. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a real PostgreSQL from npm packages, with a fresh data directory below the temporary directory.
 *
 * Listens on 127.0.0.1 only, and trusts every login there. However this process ends, also when it is killed, the
 * server ends and its files are deleted a moment later; no signal handler is installed, and a running server does not
 * keep the process alive. Durability is off: it is for demonstrations and tests.
 *
 * Throws an EmbeddedServerError when the binaries are missing or do not start.
 */
export async function startEmbeddedServer(options: EmbeddedServerOptions = {}): Promise<EmbeddedServer> {
  const { major = 18, signal } = options
  signal?.throwIfAborted()
  const binaries = findBinaries(major)
  const identity = serverIdentity()
  const temporary = temporaryDirectory(identity)
  await removeLeftovers(temporary)
  const order: SupervisorOrder = {
    folderPrefix: folderPrefix(temporary),
    native: join(binaries.packageDirectory, 'native'),
    copy: !(await usableInPlace(binaries, identity)),
    links: binaries.links,
    ...(identity === undefined ? {} : { identity }),
    ...(options.preferredPort === undefined ? {} : { preferredPort: options.preferredPort }),
    settings: { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off', ...options.settings },
  }
  signal?.throwIfAborted()

  const supervisor = startSupervisor(order)
  const stop = async (): Promise<void> => {
    const clean = await supervisor.hangUp()
    if (!clean) await removeLeftovers(temporary)
  }
  const giveUp = (): void => void supervisor.hangUp()
  signal?.addEventListener('abort', giveUp, { once: true })
  const report = await supervisor.report
  signal?.removeEventListener('abort', giveUp)
  if (signal?.aborted === true || report.kind === 'failed') {
    await stop()
    signal?.throwIfAborted()
    const reason = report.kind === 'failed' ? report.message : ''
    throw new EmbeddedServerError(
      'embedded-start-failed',
      `The embedded PostgreSQL ${major} did not start. ${reason}`,
    )
  }
  supervisor.unref()
  return {
    url: `postgres://postgres@127.0.0.1:${report.port}/postgres`,
    host: '127.0.0.1',
    port: report.port,
    user: 'postgres',
    major,
    dataDirectory: join(report.folder, 'data'),
    pid: report.pid,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

interface Supervisor {
  /** The one answer; a supervisor that dies without one counts as failed. */
  readonly report: Promise<SupervisorReport>
  /** Closes the pipe and waits for the supervisor's end; false when it did not end as it should. */
  hangUp(): Promise<boolean>
  unref(): void
}

function startSupervisor(order: SupervisorOrder): Supervisor {
  const child = spawn(process.execPath, ['--input-type=commonjs', '--eval', supervisorScript(order)], {
    cwd: '/',
    env: { ...process.env, NODE_OPTIONS: '', NODE_V8_COVERAGE: '' },
    // A session of its own: Ctrl+C and hang-ups of the terminal reach the host only.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = new Promise<string | undefined>((resolve) => {
    child.once('error', (error) => {
      resolve(error.message)
    })
    child.once('exit', (code, signal) => {
      resolve(code === 0 ? undefined : `Its supervisor ended with ${signal ?? `exit code ${code}`}.`)
    })
  })
  // A supervisor that is gone already is seen by its exit.
  child.stdin.on('error', () => undefined)
  return {
    report: readReport(child, ended),
    hangUp: async () => {
      child.ref()
      child.stdin.end()
      return (await ended) === undefined
    },
    unref: () => {
      child.unref()
      for (const stream of child.stdio) if (stream instanceof Socket) stream.unref()
    },
  }
}

async function readReport(
  child: ChildProcessByStdio<Writable, Readable, Readable>,
  ended: Promise<string | undefined>,
): Promise<SupervisorReport> {
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    complaint += chunk
  })
  const line = new Promise<string>((resolve) => {
    let received = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      received += chunk
      if (received.includes('\n')) resolve(received)
    })
  })
  const death = ended.then((reason) => {
    const message = `${reason ?? 'Its supervisor ended.'} ${complaint}`.trim()
    return JSON.stringify({ kind: 'failed', message } satisfies SupervisorReport)
  })
  const report: SupervisorReport = JSON.parse(await Promise.race([line, death]))
  return report
}
