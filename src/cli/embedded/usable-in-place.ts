import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { LibraryLink, ServerBinaries } from './binaries.ts'
import { EmbeddedServerError } from './embedded-server-error.ts'
import type { ServerIdentity } from './identity.ts'

/**
 * Tells whether the server's user can run the programs where npm put them; if not, they have to be copied.
 *
 * Links that npm's install script would have made are made here when they are missing, because many installations
 * do not run install scripts. Throws an EmbeddedServerError when the programs cannot run on this machine at all.
 */
export async function usableInPlace(
  binaries: ServerBinaries,
  identity: ServerIdentity | undefined,
): Promise<boolean> {
  if (!(await makeMissingLinks(binaries))) return false
  const failure = await runFailure(join(binaries.packageDirectory, 'native', 'bin', 'postgres'), identity)
  if (failure === undefined) return true
  // Another user may be kept out by a directory on the way, as with a checkout below /root.
  if (identity !== undefined && failure.code === 'EACCES') return false
  throw new EmbeddedServerError(
    'embedded-start-failed',
    `The embedded PostgreSQL ${binaries.major} cannot run on this machine: ${failure.message.trim()}. ` +
      `The programs are built for glibc; Alpine Linux (musl) cannot run them. ` +
      `Use a server of your own instead and give its URL.`,
    { cause: failure },
  )
}

/** False when a link is missing and cannot be made, because the package's directory is not writable. */
async function makeMissingLinks(binaries: ServerBinaries): Promise<boolean> {
  const results = await Promise.all(binaries.links.map((link) => makeLink(binaries.packageDirectory, link)))
  return results.every(Boolean)
}

async function makeLink(packageDirectory: string, link: LibraryLink): Promise<boolean> {
  const target = join(packageDirectory, link.target)
  if (existsSync(target)) return true
  try {
    await symlink(relative(dirname(link.target), link.source), target)
    return true
  } catch {
    // Another start may have made it in the meantime.
    return existsSync(target)
  }
}

interface RunFailure extends Error {
  readonly code?: string | number | null
}

function runFailure(program: string, identity: ServerIdentity | undefined): Promise<RunFailure | undefined> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { ...identity, cwd: '/' }, (error) => {
      resolve(error === null ? undefined : error)
    })
  })
}
