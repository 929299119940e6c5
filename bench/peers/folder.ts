/** Where peers are installed: outside of this checkout, kept from run to run. Delete it to install them anew. */

import { execFile } from 'node:child_process'
import { lstat, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tmpdir, userInfo } from 'node:os'

const execute = promisify(execFile)

/** Throws when somebody else made a folder of that name. */
export async function peersFolder(): Promise<string> {
  const { uid } = userInfo()
  const folder = join(tmpdir(), `pg-partsmith-bench-peers-${uid}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const found = await lstat(folder)
  if (!found.isDirectory() || (process.getuid && found.uid !== uid)) {
    throw new Error(`${folder} is not ours: somebody else made it.`)
  }
  return folder
}

/** Runs a program and gives what it printed; rejects with what it complained about. Ends it after five minutes. */
export async function run(program: string, args: readonly string[], cwd = '/'): Promise<string> {
  try {
    return (await execute(program, args, { cwd, timeout: 300_000, maxBuffer: 16_777_216 })).stdout
  } catch (error) {
    const said =
      typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr).trim() : ''
    const last = said.split('\n').at(-1) ?? ''
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    throw new Error(last === '' ? reason : `${program}: ${last}`, { cause: error })
  }
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
