import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { lstat, readFile, readdir, rm } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What the folders of this machine's embedded servers begin with; the supervisor's process id and a random part follow.
 *
 * The machine is part of it, because containers may share a temporary directory and not see each other's processes.
 */
export function folderPrefix(temporary: string): string {
  return join(temporary, `pg-partsmith-server-${machine()}-`)
}

function machine(): string {
  let processes = ''
  try {
    processes = readlinkSync('/proc/self/ns/pid')
  } catch {
    // Only Linux has namespaces of processes.
  }
  return createHash('sha256').update(`${hostname()} ${processes}`).digest('hex').slice(0, 8)
}

/**
 * Removes what is left of embedded servers whose supervisor was killed: ends the server and deletes the folder.
 *
 * Touches only folders of the current user on this machine. Never throws.
 */
export async function removeLeftovers(temporary: string): Promise<void> {
  const prefix = folderPrefix('')
  const names = await readdir(temporary).catch(() => [])
  for (const name of names.filter((candidate) => candidate.startsWith(prefix))) {
    const supervisor = Number.parseInt(name.slice(prefix.length), 10)
    if (commandLine(supervisor)?.includes('pg-partsmith') === true) continue
    await removeLeftover(join(temporary, name)).catch(() => undefined)
  }
}

async function removeLeftover(folder: string): Promise<void> {
  const entry = await lstat(folder)
  if (!entry.isDirectory() || entry.uid !== process.getuid?.()) return
  await endServer(folder)
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

async function endServer(folder: string): Promise<void> {
  const lockFile = await readFile(join(folder, 'data', 'postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(lockFile, 10)
  // A process id may have been taken over by a stranger; only a server of this very folder is ended.
  const running = (): boolean => pid > 0 && commandLine(pid)?.includes(folder) === true
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!running()) return
    process.kill(pid, signal)
    for (let turns = 0; turns < 250 && running(); turns += 1) await sleep(20)
  }
}

/** The command line of a running process; undefined when there is none of this id. */
function commandLine(pid: number): string | undefined {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      : execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return undefined
  }
}
