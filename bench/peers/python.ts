/** pg-partsmith for Python: from PyPI by pip, in a virtual environment, driven in a process of its own. */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import type { MaintenanceTool, Peer, ToolRun } from '../tool.ts'
import { sessionName } from '../tool.ts'
import { peersFolder, reasonOf, run } from './folder.ts'

export interface FoundPython {
  readonly interpreter: string
}

const packages = ['pg-partsmith', 'asyncpg']
const askVersions = `
import importlib.metadata as m, platform
print("pg-partsmith", m.version("pg-partsmith"), "SQLAlchemy", m.version("sqlalchemy"), "asyncpg", m.version("asyncpg"), "Python", platform.python_version())`

export async function findPython(): Promise<Peer<FoundPython>> {
  try {
    const environment = join(await peersFolder(), 'python')
    const interpreter = join(environment, 'bin', 'python')
    const answers = (): Promise<string> => run(interpreter, ['-c', askVersions])
    const kept = existsSync(interpreter) ? await answers().catch(() => undefined) : undefined
    if (kept === undefined) {
      await run(await recentPython(), ['-m', 'venv', '--clear', environment])
      await run(interpreter, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages])
    }
    const version = (kept ?? (await answers())).trim()
    return { available: true, version, from: 'PyPI', interpreter }
  } catch (error) {
    return { available: false, why: `pg-partsmith for Python could not be had: ${reasonOf(error)}` }
  }
}

/** It needs Python 3.11. */
async function recentPython(): Promise<string> {
  for (const name of ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11']) {
    const recent = await run(name, ['-c', 'import sys; print(sys.version_info >= (3, 11))']).catch(() => '')
    if (recent.trim() === 'True') return name
  }
  throw new Error('There is no Python 3.11 or later.')
}

export async function openPython(url: string, { interpreter }: FoundPython): Promise<MaintenanceTool> {
  const driver = fileURLToPath(new URL('python-driver.py', import.meta.url))
  const address = url.replace(/^postgres:/, 'postgresql+asyncpg:')
  const child = spawn(interpreter, ['-B', driver, address, sessionName], {
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.on('error', () => undefined)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ask = async (question: object): Promise<ToolRun> => {
    child.stdin.write(`${JSON.stringify(question)}\n`)
    const { value, done } = await lines.next()
    if (done === true) throw new Error('The driver of pg-partsmith for Python ended; see standard error.')
    const answer: ToolRun = JSON.parse(value)
    return answer
  }
  return {
    name: 'pg-partsmith for Python',
    prepare: async (wishes) => {
      await ask({ do: 'prepare', wishes })
    },
    maintain: () => ask({ do: 'maintain' }),
    close: async () => {
      child.stdin.end()
      await ended
    },
  }
}
