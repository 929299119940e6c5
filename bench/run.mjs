/**
 * Compiles the benchmarks and the library by tsc, as the published package is compiled, and runs one of them.
 *
 * `node bench/run.mjs NAME [options]`. Without a name it says which there are.
 */

import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const benches = {
  stall: 'How long does maintenance keep readers and writers waiting?',
  noop: 'What does a run cost that has nothing to do?',
  create: 'What does it cost to create partitions?',
  scale: 'How do time and memory grow with the number of partitions?',
}

const [name = '', ...options] = process.argv.slice(2)
if (!Object.hasOwn(benches, name)) {
  const lines = Object.entries(benches).map(([each, what]) => `  npm run bench:${each.padEnd(7)} ${what}`)
  process.stderr.write(
    `The benchmarks; each takes options after --, and --help lists them:\n${lines.join('\n')}\n`,
  )
  process.exit(name === '' ? 0 : 64)
}

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'pg-partsmith-bench-'))
try {
  await compile()
  process.exitCode = await start(join(folder, 'bench', `${name}.js`))
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function compile() {
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await symlink(join(root, 'package.json'), join(folder, 'package.json'))
  const settings = {
    extends: join(root, 'tsconfig.build.json'),
    compilerOptions: {
      rootDir: root,
      outDir: folder,
      typeRoots: [join(root, 'node_modules', '@types')],
      declaration: false,
      isolatedDeclarations: false,
      sourceMap: false,
    },
    include: [join(root, 'src'), join(root, 'bench')],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings))
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if ((await start(compiler, ['-p', join(folder, 'tsconfig.json')])) !== 0)
    throw new Error('tsc found errors.')
  await cp(
    join(root, 'bench', 'peers', 'python-driver.py'),
    join(folder, 'bench', 'peers', 'python-driver.py'),
  )
}

/** Runs a program to its end and gives its exit code. What interrupts this process is for the program to answer. */
function start(program, args = options) {
  const child = spawn(process.execPath, ['--expose-gc', program, ...args], { cwd: root, stdio: 'inherit' })
  const pass = (signal) => child.kill(signal)
  process.on('SIGINT', () => undefined)
  process.on('SIGTERM', pass)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      process.removeListener('SIGTERM', pass)
      resolve(code ?? 1)
    })
  })
}
