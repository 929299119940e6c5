import { existsSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { Client } from 'pg'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startEmbeddedServer } from '../../src/cli/embedded/server.ts'
import type { EmbeddedServer } from '../../src/cli/embedded/server.ts'
import { majors } from '../support/database.ts'
import { processesOf, temporaryDirectory, until, untilGone } from '../support/embedded-host.ts'

async function ask(server: EmbeddedServer, query: string): Promise<unknown> {
  const client = new Client({ connectionString: server.url })
  await client.connect()
  try {
    const result = await client.query({ text: query, rowMode: 'array' })
    return result.rows
  } finally {
    await client.end()
  }
}

/** Lets servers of this process live in a directory of the test, which then tells whether anything is left. */
async function useTemporaryDirectory(): Promise<string> {
  const directory = await temporaryDirectory()
  vi.stubEnv('TMPDIR', directory)
  onTestFinished(() => {
    vi.unstubAllEnvs()
  })
  return directory
}

describe('startEmbeddedServer', () => {
  it.each(majors)('runs PostgreSQL %i on 127.0.0.1 alone and leaves nothing after stop', async (major) => {
    const server = await startEmbeddedServer({ major, settings: { work_mem: '5MB' } })
    const folder = dirname(server.dataDirectory)
    const settings = ['listen_addresses', 'unix_socket_directories', 'work_mem', 'fsync', 'server_encoding']
    const columns = settings.map((name) => `current_setting('${name}')`).join(', ')
    expect(
      await ask(server, `SELECT current_setting('server_version_num')::int / 10000, ${columns}`),
    ).toEqual([[major, '127.0.0.1', '', '5MB', 'off', 'UTF8']])
    expect(processesOf(folder)).not.toEqual([])

    await Promise.all([server.stop(), server.stop()])
    expect(existsSync(folder)).toBe(false)
    expect(processesOf(folder)).toEqual([])
    await expect(ask(server, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('stops at the end of an await using block', async () => {
    let folder = ''
    {
      await using server = await startEmbeddedServer()
      folder = dirname(server.dataDirectory)
      expect(await ask(server, 'SELECT 1')).toEqual([[1]])
    }
    expect(existsSync(folder)).toBe(false)
  })

  it('stops although sessions are open and busy', async () => {
    const server = await startEmbeddedServer()
    const client = new Client({ connectionString: server.url })
    client.on('error', () => undefined)
    await client.connect()
    await client.query('BEGIN; CREATE TABLE t (x int)')
    const [sleep] = await Promise.allSettled([client.query('SELECT pg_sleep(600)'), server.stop()])
    expect(sleep.status).toBe('rejected')
    expect(existsSync(server.dataDirectory)).toBe(false)
  })

  it('takes another port when the preferred one is in use', async () => {
    await using first = await startEmbeddedServer()
    await using second = await startEmbeddedServer({ preferredPort: first.port })
    expect(second.port).not.toBe(first.port)
    expect(await ask(second, "SELECT current_setting('port')")).toEqual([[String(second.port)]])
  })

  it('takes the preferred port again when it is free', async () => {
    const first = await startEmbeddedServer()
    await first.stop()
    await using second = await startEmbeddedServer({ preferredPort: first.port })
    expect(second.port).toBe(first.port)
  })

  it('says what the server said when it does not start, and leaves nothing', async () => {
    const temporary = await useTemporaryDirectory()
    await expect(startEmbeddedServer({ settings: { work_mem: 'plenty' } })).rejects.toMatchObject({
      name: 'EmbeddedServerError',
      code: 'embedded-start-failed',
      message: expect.stringMatching(/PostgreSQL 18 did not start.*invalid value for parameter "work_mem"/s),
    })
    expect(readdirSync(temporary)).toEqual([])
  })

  it('does not begin when the signal is aborted already', async () => {
    const temporary = await useTemporaryDirectory()
    const reason = new Error('not wanted any more')
    await expect(startEmbeddedServer({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    expect(readdirSync(temporary)).toEqual([])
  })

  it('gives up in the middle of the start when the signal is aborted, and leaves nothing', async () => {
    const temporary = await useTemporaryDirectory()
    const controller = new AbortController()
    const reason = new Error('not wanted any more')
    const abort = async (): Promise<void> => {
      await until(() => readdirSync(temporary).length === 1, 'the start has made its folder')
      controller.abort(reason)
    }
    const [start] = await Promise.allSettled([startEmbeddedServer({ signal: controller.signal }), abort()])
    expect(start).toEqual({ status: 'rejected', reason })
    expect(readdirSync(temporary)).toEqual([])
    expect(processesOf(temporary)).toEqual([])
  })

  it('asks for a temporary directory that exists', async () => {
    vi.stubEnv('TMPDIR', '/does/not/exist')
    onTestFinished(() => {
      vi.unstubAllEnvs()
    })
    await expect(startEmbeddedServer()).rejects.toThrow(
      'The temporary directory /does/not/exist does not exist.',
    )
  })

  it('cleans up at stop although the supervisor was killed', async () => {
    const server = await startEmbeddedServer()
    const folder = dirname(server.dataDirectory)
    const supervisor = Number(/-(\d+)-\w+$/.exec(folder)?.[1])
    process.kill(supervisor, 'SIGKILL')
    await server.stop()
    expect(existsSync(folder)).toBe(false)
    await untilGone(folder)
  })

  it('is gone by itself when the server was killed', async () => {
    const server = await startEmbeddedServer()
    const folder = dirname(server.dataDirectory)
    process.kill(server.pid, 'SIGQUIT')
    await untilGone(folder)
    await server.stop()
    expect(processesOf(folder)).toEqual([])
  })
})
