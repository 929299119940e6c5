import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { CommandIo } from './command-io.ts'
import type { ExitCode } from './exit-code.ts'
import { exitCodeOfError } from './failure-code.ts'
import { sentenceOf } from './failure.ts'
import { runProgram } from './program.ts'
import { hidePasswords } from './redact.ts'
import { printable } from './render/printable.ts'

/** Runs a command line and gives the exit code; whatever goes wrong is a sentence on standard error. */
export async function runCli(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  try {
    return await runProgram(args, io, { version: ownVersion() })
  } catch (error) {
    // Where the process was told to stop, that is why it ended, whatever came of it.
    const reason: unknown = io.signal.aborted ? io.signal.reason : error
    io.err.write(`${printable(`pg-partsmith: ${sentenceOf(reason)}`)}\n`)
    if (reason === error && showsStack(args)) io.err.write(`${hidePasswords(stackOf(error))}\n`)
    return exitCodeOfError(reason)
  }
}

function showsStack(args: readonly string[]): boolean {
  return args.some((arg) => arg === '--verbose' || /^-[a-z]*v/.test(arg))
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

function ownVersion(): string {
  const text = readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8')
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : ''
}
