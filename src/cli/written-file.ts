import { randomBytes } from 'node:crypto'
import { open, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { CommandError } from './command-error.ts'

/**
 * Checks that a file could be written, without touching it: a run must not end with nowhere to report to.
 *
 * Throws a `CommandError` that names the path.
 */
export async function checkWritable(file: string, cwd: string): Promise<void> {
  const target = await targetOf(file, cwd)
  const trial = besides(target.path)
  try {
    await (await open(trial, 'wx', 0o600)).close()
  } catch (cause) {
    throw notWritable(file, cause)
  } finally {
    await rm(trial, { force: true }).catch(() => undefined)
  }
}

/**
 * Writes a file all or nothing: a reader sees the old text or the new one, and a failure leaves the old one.
 *
 * Throws a `CommandError` that names the path.
 */
export async function writeWhole(file: string, text: string, cwd: string): Promise<void> {
  const target = await targetOf(file, cwd)
  const temporary = besides(target.path)
  try {
    const handle = await open(temporary, 'wx', target.mode)
    try {
      await handle.writeFile(text)
      // On the disk before it takes the name, or a power failure could leave an empty file under it.
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, target.path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => undefined)
    throw notWritable(file, cause)
  }
}

/** Writes a file that must not exist yet. Throws a `CommandError` when it does, or cannot be written. */
export async function writeNew(file: string, text: string, cwd: string): Promise<void> {
  try {
    const handle = await open(resolve(cwd, file), 'wx')
    try {
      await handle.writeFile(text)
    } finally {
      await handle.close()
    }
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') {
      throw new CommandError(
        `${file} exists already, and it is not overwritten. Remove it, or name another file with --write.`,
        { exitCode: 4, code: 'file-exists', cause },
      )
    }
    throw notWritable(file, cause)
  }
}

/** Where the text goes, through a symbolic link if it is one, and with which mode. */
async function targetOf(
  file: string,
  cwd: string,
): Promise<{ readonly path: string; readonly mode: number }> {
  const path = resolve(cwd, file)
  try {
    const real = await realpath(path)
    const present = await stat(real)
    if (!present.isFile()) {
      throw notWritable(
        file,
        new Error(present.isDirectory() ? 'it is a directory' : 'it is not a regular file'),
      )
    }
    return { path: real, mode: present.mode & 0o777 }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { path, mode: 0o666 }
    throw error instanceof CommandError ? error : notWritable(file, error)
  }
}

/** In the same directory, because a rename is atomic only within a file system. */
function besides(path: string): string {
  return join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
}

function notWritable(file: string, cause: unknown): CommandError {
  return new CommandError(`${file} cannot be written: ${reasonOf(cause)}. What is there is as it was.`, {
    exitCode: 4,
    code: 'not-writable',
    cause,
  })
}

function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
      return 'its directory does not exist'
    case 'EACCES':
    case 'EPERM':
      return 'this user may not write there'
    case 'EROFS':
      return 'the file system is read-only'
    case 'ENOTDIR':
      return 'a part of its path is not a directory'
    case 'ENOSPC':
      return 'the disk is full'
    default:
      return error instanceof Error ? error.message : String(error)
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
