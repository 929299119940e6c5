import { describe, expect, it } from 'vitest'
import type { CommandIo } from '../../../src/cli/command-io.ts'
import { commandTree } from '../../../src/cli/command-tree.ts'
import { progressOn } from '../../../src/cli/log.ts'
import { cliReference } from '../../../src/cli/reference.ts'
import { pageOf } from '../../../src/cli/report.ts'
import { runCli } from '../../../src/cli/run-cli.ts'
import { selectTables } from '../../../src/cli/select-tables.ts'
import { configOf } from '../../support/cli-views.ts'

function ioOf(
  terminal?: { readonly columns: number },
  env: Readonly<Record<string, string>> = {},
): CommandIo & { readonly text: { out: string; err: string } } {
  const text = { out: '', err: '' }
  const screen = (name: 'out' | 'err'): CommandIo['out'] => ({
    write: (more) => {
      text[name] += more
    },
    isTerminal: terminal !== undefined,
    columns: terminal?.columns ?? 80,
  })
  return {
    out: screen('out'),
    err: screen('err'),
    env,
    cwd: '/nowhere',
    signal: new AbortController().signal,
    text,
  }
}

/** Its standard output cannot be written to, which nobody foresees. */
function broken(): ReturnType<typeof ioOf> {
  const io = ioOf()
  return { ...io, out: { ...io.out, write: breakOnPurpose } }
}

function breakOnPurpose(): never {
  throw new TypeError('broken on purpose')
}

function red(io: CommandIo): string {
  return pageOf(io.out, io).style.danger('x')
}

describe('the program', () => {
  it('explains itself and every command, with examples and exit codes', async () => {
    const io = ioOf()
    expect(await runCli(['--help'], io)).toBe(0)
    for (const { name, summary } of commandTree) {
      expect(io.text.out).toContain(`  ${name}`)
      expect(io.text.out.replaceAll(/\s+/g, ' ')).toContain(summary)
    }
    for (const spec of commandTree) {
      const help = ioOf()
      expect(await runCli([spec.name, '--help'], help)).toBe(0)
      expect(help.text.out).toContain('Examples:')
      for (const { line } of spec.examples) expect(help.text.out).toContain(`$ ${line}`)
      for (const code of spec.exitCodes) expect(help.text.out).toMatch(new RegExp(`^ +${code}  \\S`, 'm'))
      for (const { flags } of spec.options) expect(help.text.out).toContain(flags)
      expect(help.text.err).toBe('')
    }
  })

  it('explains itself in lines of the width that there is, and says which exit code is told of several', async () => {
    const io = ioOf()
    await runCli(['maintain', '--help'], io)
    // A line to be copied stays whole.
    const prose = io.text.out.split('\n').filter((line) => !line.startsWith('  $ '))
    expect(prose.filter((line) => line.length > 80)).toEqual([])
    expect(io.text.out).toMatch(
      /of several tables the one furthest down is told:\n +0 [^]*\n +2 [^]*\n +6 [^]*\n +3 /i,
    )
  })

  it('complains as everything else does, and says how the output is chosen', async () => {
    const wrong = ioOf()
    expect(await runCli(['plan', '--jsn'], wrong)).toBe(64)
    expect(wrong.text.err).toBe("pg-partsmith: unknown option '--jsn'\n")
    const format = ioOf()
    expect(await runCli(['plan', '--json'], format)).toBe(64)
    expect(format.text.err).toBe(
      "pg-partsmith: unknown option '--json'. The output is chosen with --output json.\n",
    )
  })

  it('tells its version', async () => {
    const io = ioOf()
    expect(await runCli(['--version'], io)).toBe(0)
    expect(io.text.out).toMatch(/^\d+\.\d+\.\d+\S*\n$/)
  })

  it('shows the stack of an unexpected error only with --verbose', async () => {
    const quiet = broken()
    expect(await runCli(['schema'], quiet)).toBe(1)
    expect(quiet.text.err).toBe(
      'pg-partsmith: Something unexpected happened: broken on purpose. With --verbose the place in the program is shown; please report it.\n',
    )
    const verbose = broken()
    expect(await runCli(['demo', '-v', '--keep', '--url', ''], verbose)).not.toBe(0)
    expect(await runCli(['init', '--write', '-', '-v', '--url', 'postgres://127.0.0.1:1/x'], verbose)).toBe(5)
    expect(verbose.text.err).toMatch(/\n +at /)
  })

  it('has a reference page with every command, option and exit code', () => {
    const page = cliReference()
    for (const { name, options, examples } of commandTree) {
      expect(page).toContain(`## pg-partsmith ${name}\n`)
      for (const { flags } of options) expect(page).toContain(`| \`${flags}\` |`)
      for (const { line } of examples) expect(page).toContain(line)
    }
    expect(page).toContain('| 143 | Stopped by SIGTERM, SIGQUIT or SIGHUP, after cleaning up. |')
    expect(page).toContain('One of `human`, `json`, `metrics`. Default: `human`.')
  })
})

describe('a page', () => {
  it('has colours on a terminal alone, and not where NO_COLOR or TERM say so', () => {
    expect(red(ioOf({ columns: 120 }))).toBe('\u001b[31mx\u001b[39m')
    expect(red(ioOf())).toBe('x')
    expect(red(ioOf({ columns: 120 }, { NO_COLOR: '1' }))).toBe('x')
    expect(red(ioOf({ columns: 120 }, { NO_COLOR: '' }))).not.toBe('x')
    expect(red(ioOf({ columns: 120 }, { TERM: 'dumb' }))).toBe('x')
    expect(pageOf(ioOf({ columns: 120 }).out, ioOf()).columns).toBe(120)
    // A file is no terminal.
    expect(pageOf(undefined, ioOf({ columns: 120 })).columns).toBe(80)
  })
})

describe('progress', () => {
  it('is one line that is replaced on a terminal, and nothing elsewhere', () => {
    const terminal = ioOf({ columns: 40 })
    const progress = progressOn(terminal.err, { verbose: false, hide: (text) => text })
    progress.show(`reading app.events ${'x'.repeat(80)}`)
    progress.logger.info('create app.events__2026_01')
    progress.clear()
    const clear = '\r\u001b[K'
    const lines = terminal.text.err.split(clear)
    expect(lines).toEqual(['', `reading app.events ${'x'.repeat(20)}`, 'create app.events__2026_01', ''])

    const pipe = ioOf()
    const silent = progressOn(pipe.err, { verbose: false, hide: (text) => text })
    silent.show('x')
    silent.logger.error('y')
    silent.clear()
    expect(pipe.text.err).toBe('')
  })

  it('is the whole log with --verbose, one line each, without passwords', () => {
    const io = ioOf({ columns: 40 })
    const progress = progressOn(io.err, {
      verbose: true,
      hide: (text) => text.replaceAll('secret', '***'),
    })
    progress.show('nothing')
    progress.logger.debug('a\nb')
    progress.logger.warn('c secret', { table: 'app.events', n: 1 })
    expect(io.text.err).toMatch(/^\S+Z debug a b\n\S+Z warn {2}c \*\*\* table="app\.events" n=1\n$/)
  })
})

describe('tables on the command line', () => {
  const tables = ['events', 'logs', 'Odd name'].map((tableName) => ({
    config: configOf({ tableName }),
    allowDestructive: false,
  }))
  const names = (...wanted: string[]): readonly string[] =>
    selectTables(tables, wanted).map(({ config }) => config.tableName)

  it('are all of them, or those that are named in any way, in the order of the configuration', () => {
    expect(names()).toEqual(['events', 'logs', 'Odd name'])
    expect(names('logs', 'app.events')).toEqual(['events', 'logs'])
    expect(names('app."Odd name"')).toEqual(['Odd name'])
    expect(names('logs', 'logs')).toEqual(['logs'])
  })

  it('are refused with the near one where they are not there', () => {
    expect(() => names('evnts')).toThrow(
      'There is no table "evnts" in the configuration. Did you mean app.events? It has app.events, app.logs, app."Odd name".',
    )
    expect(() => names('zzzzzz', 'app.log')).toThrow(
      /"zzzzzz" in the configuration\. It has .*\n.*"app\.log"/,
    )
  })
})
