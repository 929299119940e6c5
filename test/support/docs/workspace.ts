/** A folder outside of the repository in which the package is installed, as it is for a user. */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository: string = fileURLToPath(new URL('../../..', import.meta.url))

export interface CommandOutcome {
  readonly exitCode: number | null
  /** Standard output and standard error, in the order in which they came. */
  readonly output: string
}

export interface Workspace {
  readonly directory: string
  write(name: string, text: string): Promise<void>
  /** Runs a script as bash does, stopping at the first command that fails. */
  bash(script: string): Promise<CommandOutcome>
  /** Runs a TypeScript file. */
  program(name: string): Promise<CommandOutcome>
  remove(): Promise<void>
}

export interface WorkspaceOptions {
  /** Set for every command, next to what a shell has. */
  readonly environment: Readonly<Record<string, string>>
  /** A folder whose files are there from the start. */
  readonly copyOf?: string
}

/** Makes the folder. What the tests run is `dist`, as `npm test` has built it. */
export async function makeWorkspace({ environment, copyOf }: WorkspaceOptions): Promise<Workspace> {
  if (!existsSync(join(repository, 'dist/index.js')))
    throw new Error('There is no dist; the documentation is tested with it. Run `npm run build`.')
  const directory = await mkdtemp(join(tmpdir(), 'partsmith-docs-'))
  await installPackage(directory)
  if (copyOf !== undefined) await cp(join(repository, copyOf), directory, { recursive: true })
  const bin = join(directory, 'node_modules', '.bin')
  const env = {
    ...withoutNpm(process.env),
    ...environment,
    PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
    npm_config_loglevel: 'error',
    npm_config_update_notifier: 'false',
    NO_COLOR: '1',
  }
  const run = (command: string, args: readonly string[]): Promise<CommandOutcome> =>
    runCommand(command, args, { cwd: directory, env })
  return {
    directory,
    write: async (name, text) => {
      await mkdir(join(directory, name, '..'), { recursive: true })
      await writeFile(join(directory, name), text)
    },
    bash: (script) => run('bash', ['-euo', 'pipefail', '-c', script]),
    program: (name) => run(process.execPath, [join(repository, 'node_modules/jiti/lib/jiti-cli.mjs'), name]),
    remove: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Links what npm would install: this package, its dependencies, and the drivers that users bring. */
async function installPackage(directory: string): Promise<void> {
  const installed = join(repository, 'node_modules')
  const target = join(directory, 'node_modules')
  const bin = join(target, '.bin')
  await mkdir(bin, { recursive: true })
  await Promise.all([
    ...(await readdir(installed))
      .filter((name) => !name.startsWith('.') && name !== 'pg-partsmith')
      .map((name) => symlink(join(installed, name), join(target, name))),
    ...['jiti', 'tsc'].map((name) => symlink(join(installed, '.bin', name), join(bin, name))),
    symlink(repository, join(target, 'pg-partsmith')),
    writeFile(join(directory, 'package.json'), '{ "private": true, "type": "module" }\n'),
  ])
  const command = join(bin, 'pg-partsmith')
  await writeFile(
    command,
    `#!/bin/sh\nexec "${process.execPath}" "${join(repository, 'dist/cli/main.js')}" "$@"\n`,
  )
  await chmod(command, 0o755)
}

/** What npm tells the scripts that it runs is not part of a user's shell. */
function withoutNpm(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(?:npm_|PG|NODE_V8_COVERAGE|VITEST)/i.test(name)),
  )
}

const longestMs = 120_000

function runCommand(
  command: string,
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<CommandOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const add = (chunk: string): void => {
      output += chunk
    }
    child.stdout.setEncoding('utf8').on('data', add)
    child.stderr.setEncoding('utf8').on('data', add)
    const timer = setTimeout(() => child.kill('SIGKILL'), longestMs)
    child.once('error', reject)
    child.once('close', (exitCode) => {
      clearTimeout(timer)
      resolve({ exitCode, output })
    })
  })
}
