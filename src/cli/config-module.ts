import { extname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { createJiti } from 'jiti'
import type { FileProblem, Position } from './config-file-error.ts'
import { hidePasswords } from './redact.ts'

export type ModuleReading =
  | { readonly value: unknown }
  | { readonly problem: FileProblem; readonly cause?: unknown }

/**
 * Runs a configuration file that is a program and gives its default export.
 *
 * JavaScript is imported as Node does. TypeScript goes through jiti, so that it means the same on every Node; so does
 * JavaScript that Node cannot load, and a syntax error, of which Node does not tell the place.
 */
export async function readModule(file: string): Promise<ModuleReading> {
  try {
    return await defaultExport(await load(file))
  } catch (cause) {
    return { problem: problemOf(cause, file), cause }
  }
}

async function load(file: string): Promise<unknown> {
  if (isTypeScript(file)) return await loadWithJiti(file)
  try {
    return await import(pathToFileURL(file).href)
  } catch (error) {
    // These come before the file has run, so nothing in it runs twice.
    if (error instanceof SyntaxError || isResolutionError(error)) return await loadWithJiti(file)
    throw error
  }
}

function isTypeScript(file: string): boolean {
  return /\.m?ts$/.test(file)
}

function isResolutionError(error: unknown): boolean {
  const code = codeOf(error)
  return (
    code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND' || code === 'ERR_UNSUPPORTED_DIR_IMPORT'
  )
}

/** Without a copy of this package beside the file (npx, a global install) its imports still find this one. */
const ownModules = {
  'pg-partsmith/config': ownModule('config'),
  'pg-partsmith': ownModule('index'),
} as const

function ownModule(name: string): string {
  return fileURLToPath(new URL(`../${name}${extname(import.meta.url)}`, import.meta.url))
}

async function loadWithJiti(file: string): Promise<unknown> {
  const jiti = createJiti(import.meta.url, {
    fsCache: false,
    moduleCache: false,
    interopDefault: false,
    alias: ownModules,
  })
  return await jiti.import(file)
}

async function defaultExport(module: unknown): Promise<ModuleReading> {
  const exported = has(module, 'default') ? module.default : undefined
  // CommonJS that was written as an ES module and translated keeps its default one level deeper.
  const value = has(exported, '__esModule')
    ? has(exported, 'default')
      ? exported.default
      : undefined
    : exported
  if (value === undefined) {
    const message = 'There is no default export. End the file with `export default defineConfig({ .. })`.'
    return { problem: { path: [], message } }
  }
  return { value: await Promise.resolve(value) }
}

function has<Key extends string>(value: unknown, key: Key): value is Readonly<Record<Key, unknown>> {
  return typeof value === 'object' && value !== null && key in value
}

function problemOf(error: unknown, file: string): FileProblem {
  const fault = syntaxFault(error)
  if (fault !== undefined) {
    const elsewhere =
      fault.file === file ? '' : ` (in ${fault.file}:${fault.position.line}:${fault.position.column})`
    const language = isTypeScript(fault.file) ? 'TypeScript' : 'JavaScript'
    return {
      path: [],
      message: `This is not ${language}: ${oneLine(fault.said)}${elsewhere}.`,
      position: elsewhere === '' ? fault.position : undefined,
    }
  }
  const said = oneLine(
    error instanceof Error ? error.message : `it threw ${JSON.stringify(error) ?? String(error)}`,
  )
  const message = isResolutionError(error)
    ? `An import failed: ${said}.`
    : `The file could not be run: ${said}.`
  return { path: [], message, position: placeInStack(error, file) }
}

function oneLine(text: string): string {
  const [first = ''] = text.trim().split('\n')
  return hidePasswords(first.trim()).replace(/\.$/, '')
}

interface SyntaxFault {
  readonly said: string
  readonly file: string
  readonly position: Position
}

/** What jiti's parser found, and where; it has no fields for either. */
function syntaxFault(error: unknown): SyntaxFault | undefined {
  if (!(error instanceof Error)) return undefined
  const [, said, file, line, column] =
    /^ParseError:\s*(.*?)\s*\n\s*(.*):(\d+):(\d+)\s*$/s.exec(error.message) ?? []
  if (said === undefined || file === undefined) return undefined
  // It counts columns from 0.
  return { said, file, position: { line: Number(line), column: Number(column) + 1 } }
}

/** The topmost place in the file itself that the error's stack names. */
function placeInStack(error: unknown, file: string): Position | undefined {
  if (!(error instanceof Error)) return undefined
  for (const name of [pathToFileURL(file).href, file]) {
    for (const line of (error.stack ?? '').split('\n')) {
      const at = line.indexOf(`${name}:`)
      const match = at < 0 ? null : /^(\d+)(?::(\d+))?/.exec(line.slice(at + name.length + 1))
      if (match) return { line: Number(match[1]), column: Number(match[2] ?? 1) }
    }
  }
  return undefined
}

function codeOf(error: unknown): unknown {
  return has(error, 'code') ? error.code : undefined
}
