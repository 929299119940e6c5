// Runs the tests on every supported line of Node that is newer than the floor, one line of result for each.
// Arguments go to vitest: `node scripts/test-on-nodes.mjs test/unit`.

import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const releases = ['22.23.3', '24.21.0', '26.10.0']
const root = fileURLToPath(new URL('..', import.meta.url))
const cache = join(root, '.cache', 'nodes')
const platform = `node-${process.platform}-${process.arch}`
const alias = (release) => `n${release.split('.')[0]}`

function run(command, args, options = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
}

mkdirSync(cache, { recursive: true })
const packages = releases.map((release) => `${alias(release)}@npm:${platform}@${release}`)
const installed = run('npm', ['install', '--silent', '--no-save', '--prefix', cache, ...packages])
if (installed.status !== 0) {
  console.error(`The Node binaries could not be installed from the npm packages ${platform}.`)
  process.exit(1)
}
if (run('npm', ['run', '--silent', 'build']).status !== 0) process.exit(1)

const results = releases.map((release) => {
  const bin = join(cache, 'node_modules', alias(release), 'bin')
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
  const test = run(join(bin, 'node'), [vitest, 'run', ...process.argv.slice(2)], {
    // Tests that start `node` get the same one.
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 256 * 1024 * 1024,
  })
  if (test.status !== 0) process.stdout.write(test.stdout)
  const line = test.stdout.trimEnd().split('\n').at(-1)
  return { release, passed: test.status === 0, line: test.error?.message ?? line }
})

for (const { release, passed, line } of results) {
  console.log(`Node ${release}: ${passed ? 'ok' : 'FAILED'} (${line})`)
}
process.exit(results.every((result) => result.passed) ? 0 : 1)
