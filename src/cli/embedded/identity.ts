import { existsSync, realpathSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import { EmbeddedServerError } from './embedded-server-error.ts'

/** The user and group that the server's processes run as, where they are not our own. */
export interface ServerIdentity {
  readonly uid: number
  readonly gid: number
}

/** `nobody` on Linux; macOS brings a user `_postgres`. Both exist without anybody making them. */
const unprivileged: Readonly<Record<string, ServerIdentity>> = {
  linux: { uid: 65534, gid: 65534 },
  darwin: { uid: 216, gid: 216 },
}

/** Whom to run the server as: PostgreSQL refuses to run as root, so root needs another user. */
export function serverIdentity(): ServerIdentity | undefined {
  return process.getuid?.() === 0 ? unprivileged[process.platform] : undefined
}

/** The temporary directory, or `/tmp` where the server's user could not enter the configured one. */
export function temporaryDirectory(identity: ServerIdentity | undefined): string {
  const configured = tmpdir()
  if (!existsSync(configured)) {
    throw new EmbeddedServerError(
      'embedded-start-failed',
      `The temporary directory ${configured} does not exist. Make it, or name another one in TMPDIR.`,
    )
  }
  const real = realpathSync(configured)
  return identity === undefined || everyoneMayEnter(real) ? real : realpathSync('/tmp')
}

function everyoneMayEnter(directory: string): boolean {
  const parent = dirname(directory)
  return (statSync(directory).mode & 0o001) !== 0 && (parent === directory || everyoneMayEnter(parent))
}
