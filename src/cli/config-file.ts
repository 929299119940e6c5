import { readFile, readdir } from 'node:fs/promises'
import { extname, isAbsolute, join, relative, resolve } from 'node:path'
import { type PartsmithDocument, parseDocument } from '../index.ts'
import { ConfigFileError } from './config-file-error.ts'
import { readModule } from './config-module.ts'
import { type TextReading, readJson, readYaml } from './config-text.ts'

/** The configuration and the file that it came from, as it is shown to people. */
export interface LoadedConfig {
  readonly document: PartsmithDocument
  readonly file: string
}

const extensions = ['.ts', '.mts', '.js', '.mjs', '.json', '.yaml', '.yml'] as const

/** The names under which a configuration file is found. */
export const configFileNames: readonly string[] = extensions.map(
  (extension) => `partsmith.config${extension}`,
)

/**
 * Loads the file that `-c` names, or the one `partsmith.config.*` in the working directory.
 *
 * Throws a `ConfigFileError` whose message lists every problem with its place. Code in the file runs; nothing else does.
 */
export async function loadConfigFile(
  options: { readonly file?: string | undefined; readonly cwd?: string } = {},
): Promise<LoadedConfig> {
  const cwd = options.cwd ?? process.cwd()
  const path = options.file === undefined ? await findConfigFile(cwd) : resolve(cwd, options.file)
  const shown = shownName(path, cwd)
  const { value, positionOf } = await readConfigFile(path, shown)
  const parsed = parseDocument(value)
  if ('document' in parsed) return { document: parsed.document, file: shown }
  throw new ConfigFileError(
    shown,
    parsed.problems.map(({ path, message, at }) => ({
      path,
      message,
      position: positionOf?.({ path, at }),
    })),
  )
}

/** Finds the one configuration file of a directory; throws a `ConfigFileError` when there is none, or more than one. */
export async function findConfigFile(cwd: string): Promise<string> {
  const present = new Set(await readdir(cwd).catch(() => []))
  const [found, ...others] = configFileNames.filter((name) => present.has(name))
  if (found === undefined) {
    throw new ConfigFileError(undefined, [
      {
        path: [],
        message:
          `There is no configuration file in ${cwd}. Name one with -c FILE, or let \`pg-partsmith init\` write one; ` +
          `it is found as partsmith.config${extensions.join(', ')}.`,
      },
    ])
  }
  if (others.length > 0) {
    const names = [found, ...others].join(' and ')
    const message = `There are ${others.length + 1} configuration files in ${cwd}: ${names}. Keep one, or say which with -c FILE.`
    throw new ConfigFileError(undefined, [{ path: [], message }])
  }
  return join(cwd, found)
}

type Reading = Partial<Extract<TextReading, { value: unknown }>>

async function readConfigFile(path: string, shown: string): Promise<Reading> {
  const extension = extname(path)
  if (!extensions.some((known) => known === extension)) {
    throw new ConfigFileError(shown, [
      { path: [], message: `A configuration file ends in ${extensions.join(', ')}; this one does not.` },
    ])
  }
  // Read in any case: a file that is missing must not look like a failed import inside it.
  const text = await readText(path, shown)
  if (extension === '.json' || extension === '.yaml' || extension === '.yml') {
    const reading = extension === '.json' ? readJson(text) : readYaml(text)
    if ('problems' in reading) throw new ConfigFileError(shown, reading.problems)
    return reading
  }
  const reading = await readModule(path)
  if ('problem' in reading) throw new ConfigFileError(shown, [reading.problem], { cause: reading.cause })
  return reading
}

async function readText(path: string, shown: string): Promise<string> {
  try {
    const text = await readFile(path, 'utf8')
    return text.startsWith('\uFEFF') ? text.slice(1) : text
  } catch (cause) {
    throw new ConfigFileError(
      shown,
      [{ path: [], message: `The file cannot be read: ${whyUnreadable(cause)}.` }],
      {
        cause,
      },
    )
  }
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'ENOENT') return 'it does not exist'
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read it'
  if (code === 'EISDIR') return 'it is a directory'
  return error instanceof Error ? error.message : String(error)
}

function shownName(path: string, cwd: string): string {
  const near = relative(cwd, path)
  return near.startsWith('..') || isAbsolute(near) ? path : near
}
