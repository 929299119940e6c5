import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { configFileNames, loadConfigFile } from '../../src/cli/config-file.ts'
import { ConfigFileError } from '../../src/cli/config-file-error.ts'

const run = promisify(execFile)

let root = ''
let count = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'partsmith-config-'))
})

afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

/** A fresh directory with these files in it. */
async function directory(files: Readonly<Record<string, string>>): Promise<string> {
  const cwd = join(root, String((count += 1)))
  await mkdir(cwd)
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(cwd, name)), { recursive: true })
    await writeFile(join(cwd, name), text)
  }
  return cwd
}

/** The message with which loading a file of this name and text fails. */
async function failure(name: string, text: string): Promise<string> {
  const cwd = await directory({ [name]: text })
  return await failureIn(cwd)
}

async function failureIn(cwd: string, file?: string): Promise<string> {
  const error: unknown = await loadConfigFile({ cwd, file }).catch((thrown: unknown) => thrown)
  if (error instanceof ConfigFileError) return error.message
  throw new Error('Loading the file was expected to fail with a ConfigFileError.', { cause: error })
}

const json = '{ "tables": [{ "tableName": "events", "partitionColumn": "at", "granularity": "day" }] }'
const yaml = `tables:
  - tableName: events
    partitionColumn: at
    granularity: day
`
const esModule = `export default ${json}\n`
const typed = `import { defineConfig } from 'pg-partsmith/config'

enum Keep { Short = 7 }
export default defineConfig({
  tables: [{ tableName: 'events', partitionColumn: 'at', granularity: 'day', retentionCount: Keep.Short }],
})
`

describe('a configuration file', () => {
  it.each([
    ['partsmith.config.ts', typed],
    ['partsmith.config.mts', typed],
    ['partsmith.config.js', esModule],
    ['partsmith.config.js', `module.exports = ${json}`],
    ['partsmith.config.mjs', esModule],
    ['partsmith.config.json', json],
    ['partsmith.config.json', `\uFEFF${json}`],
    ['partsmith.config.json', json.replaceAll(' ', '\n\t')],
    ['partsmith.config.yaml', yaml],
    ['partsmith.config.yml', yaml],
  ])('%s is found and loaded (%#)', async (name, text) => {
    const cwd = await directory({ [name]: text })
    const { document, file } = await loadConfigFile({ cwd })
    expect(file).toBe(name)
    expect(document.tables[0]?.config.table).toEqual({ schema: 'public', name: 'events' })
  })

  it('of TypeScript runs as TypeScript', async () => {
    const cwd = await directory({ 'partsmith.config.ts': typed })
    const { document } = await loadConfigFile({ cwd })
    expect(document.tables[0]?.config.retentionCount).toBe(7)
  })

  it('may import its neighbours, await, and export a promise', async () => {
    const cwd = await directory({
      'partsmith.config.ts': `import { granularity } from './granularity.ts'
        const tableName = await Promise.resolve('events')
        export default Promise.resolve({ tables: [{ tableName, partitionColumn: 'at', granularity }] })`,
      'granularity.ts': `export const granularity: string = 'week'`,
    })
    const { document } = await loadConfigFile({ cwd })
    expect(document.tables[0]?.config.granularity).toBe('week')
  })

  it('of JavaScript finds defineConfig without an installed package', async () => {
    const cwd = await directory({
      'partsmith.config.mjs': `import { defineConfig } from 'pg-partsmith/config'\nexport default defineConfig(${json})`,
    })
    expect((await loadConfigFile({ cwd })).document.tables).toHaveLength(1)
  })

  it('can be named, from anywhere', async () => {
    const cwd = await directory({ 'conf/prod.yaml': yaml, 'partsmith.config.json': 'not read' })
    expect((await loadConfigFile({ cwd, file: 'conf/prod.yaml' })).file).toBe('conf/prod.yaml')
    const elsewhere = await loadConfigFile({ cwd: root, file: join(cwd, 'conf/prod.yaml') })
    expect(elsewhere.file).toMatch(/conf\/prod\.yaml$/)
  })
})

describe('a file that cannot be had', () => {
  it('is missed with the names that are looked for', async () => {
    const message = await failureIn(await directory({ 'partsmith.yaml': yaml }))
    expect(message).toMatch(/^There is no configuration file in .*init/)
    for (const name of configFileNames) expect(message).toContain(name.replace('partsmith.config', ''))
  })

  it('is not chosen when there are two', async () => {
    const cwd = await directory({ 'partsmith.config.yml': yaml, 'partsmith.config.json': json })
    expect(await failureIn(cwd)).toBe(
      `There are 2 configuration files in ${cwd}: partsmith.config.json and partsmith.config.yml. Keep one, or say which with -c FILE.`,
    )
  })

  it('is named with the reason', async () => {
    const cwd = await directory({ 'a.toml': '', 'b.yaml/c': '' })
    expect(await failureIn(cwd, 'no.yaml')).toBe('no.yaml: The file cannot be read: it does not exist.')
    expect(await failureIn(cwd, 'no.ts')).toBe('no.ts: The file cannot be read: it does not exist.')
    expect(await failureIn(cwd, 'b.yaml')).toBe('b.yaml: The file cannot be read: it is a directory.')
    expect(await failureIn(cwd, 'a.toml')).toBe(
      'a.toml: A configuration file ends in .ts, .mts, .js, .mjs, .json, .yaml, .yml; this one does not.',
    )
  })

  it.skipIf(process.getuid?.() === 0)('is not read when it may not be', async () => {
    const cwd = await directory({ 'partsmith.config.yaml': yaml })
    await chmod(join(cwd, 'partsmith.config.yaml'), 0o000)
    expect(await failureIn(cwd)).toMatch(/this user may not read it\.$/)
  })

  it('is a broken link', async () => {
    const cwd = await directory({})
    await symlink('nowhere.yaml', join(cwd, 'partsmith.config.yaml'))
    expect(await failureIn(cwd)).toMatch(/it does not exist\.$/)
  })
})

describe('problems in YAML', () => {
  it('are all listed with line and column: unknown keys at the key, wrong values at the value', async () => {
    const text = `defaults:
  granularity: mnth
tables:
  - tableName: events
    partitionColumn: at
    retentionCout: 12
    createAheadCount: 0
  - tableName: "events"
    retentionCount:
hooks:
  beforeDrop: [archive, 7]
`
    expect(await failure('partsmith.config.yaml', text)).toBe(
      [
        'partsmith.config.yaml has 7 problems:',
        '  partsmith.config.yaml:2:16: defaults.granularity: "mnth" is not a granularity; did you mean "month"?',
        '  partsmith.config.yaml:6:5: tables[0].retentionCout: There is no option "retentionCout" here; did you mean "retentionCount"?',
        '  partsmith.config.yaml:7:23: tables[0].createAheadCount: Expected a whole number from 1 to 1000, got 0.',
        "  partsmith.config.yaml:8:5: tables[1].partitionColumn: It is missing, here and in `defaults`: expected the name of the partition key's column.",
        '  partsmith.config.yaml:8:16: tables[1].tableName: public.events is configured twice: it is tables[0] already. Keep one of them.',
        '  partsmith.config.yaml:9:5: tables[1].retentionCount: Expected a whole number of at least 1, got nothing (null).',
        '  partsmith.config.yaml:11:25: hooks.beforeDrop[1]: Expected an argument (text), got 7.',
      ].join('\n'),
    )
  })

  it.each([
    ['tables:\n\t- tableName: x\n', '2:1: A tab indents this line, and YAML takes only spaces there.'],
    ['tables: []\ntables: []\n', '2:1: This key is given twice. Keep one of them.'],
    [`${yaml}---\n${yaml}`, '5:1: A second YAML document begins here. Keep one document in the file.'],
    ['', ' The file is empty.'],
    ['# nothing\n', ' The file is empty.'],
    ['tables: *nowhere\n', '1:9: There is no anchor &nowhere before this.'],
    ['tables: !secret x\n', '1:9: Unresolved tag: !secret.'],
    ['tables: []\n', '1:9: tables: The list is empty: expected at least one table.'],
    ['just text\n', '1:1: Expected an object with `tables`, got a text.'],
    ['- a\n', '1:1: Expected an object with `tables`, got a list.'],
  ])('%j', async (text, sentence) => {
    expect(await failure('partsmith.config.yaml', text)).toBe(`partsmith.config.yaml:${sentence}`)
  })

  it('are found behind an anchor', async () => {
    const text = `defaults: &d\n  granularity: day\ntables:\n  - *d\n`
    const message = await failure('partsmith.config.yaml', text)
    expect(message).toContain('partsmith.config.yaml:4:5: tables[0].tableName: It is missing')
  })

  it('say one thing about a line that cannot be read', async () => {
    expect(await failure('partsmith.config.yaml', 'tables: "x\nb: 2\n')).toBe(
      'partsmith.config.yaml:3:1: This is not YAML: Missing closing "quote.',
    )
  })
})

describe('problems in JSON', () => {
  it('are listed with line and column', async () => {
    const text =
      '{\n\t"tables": [\n\t\t{ "tableName": "a", "partitionColumn": "at", "granularity": "dya", "x": 1 }\n\t]\n}\n'
    expect(await failure('partsmith.config.json', text)).toBe(
      [
        'partsmith.config.json has 2 problems:',
        '  partsmith.config.json:3:63: tables[0].granularity: "dya" is not a granularity; did you mean "day"?',
        '  partsmith.config.json:3:70: tables[0].x: There is no option "x" here; the options are tableName, schema, partitionColumn, granularity, timeZone, createAheadCount, retentionCount, detachMode, dropAfter, maxRowsFromDefault, allowHazards, partitionType, partitionStrategy, allowDestructive.',
      ].join('\n'),
    )
  })

  it.each([
    [
      '{ "tables": [\n  { "tableName": "x"',
      '2:21: The file ends here, where "," or "}" in an object belongs: it was cut short.',
    ],
    ['', '1:1: The file ends here, where a value belongs: it was cut short.'],
    ['{ "a": 1, }', '1:11: Expected a key in double quotes, found "}".'],
    ["{ 'a': 1 }", '1:3: Expected a key in double quotes, found "\'".'],
    ['{ "a": tru }', '1:8: Expected a value, found "tru".'],
    ['{ "a" 1 }', '1:7: Expected ":" after the key, found "1".'],
    ['[1 2]', '1:4: Expected "," or "]" in a list, found "2".'],
    ['{} {}', '1:4: Expected the end of the file, found "{".'],
    ['{ "a": 01 }', '1:8: Expected a value, found "01".'],
    ['{ "a": "x\ny" }', '1:8: Expected a value, found "\\"".'],
    ['// note\n{}', '1:1: Expected a value, found "/".'],
    ['{ "tables": [], "tables": [] }', '1:17: This key is given twice. Keep one of them.'],
  ])('%j', async (text, sentence) => {
    expect(await failure('partsmith.config.json', text)).toBe(`partsmith.config.json:${sentence}`)
  })
})

describe('problems in a program', () => {
  it('are listed with the path', async () => {
    const text = `export default { tables: [{ tableName: 'a', partitionColumn: 'b', granularity: 'mnth' }], table: 1 }`
    for (const name of ['partsmith.config.mjs', 'partsmith.config.ts']) {
      expect(await failure(name, text)).toBe(
        [
          `${name} has 2 problems:`,
          `  ${name}: tables[0].granularity: "mnth" is not a granularity; did you mean "month"?`,
          `  ${name}: table: There is no option "table" here; did you mean "tables"?`,
        ].join('\n'),
      )
    }
  })

  it.each([
    [
      'ts',
      'export const config = {}',
      ': There is no default export. End the file with `export default defineConfig({ .. })`.',
    ],
    [
      'mjs',
      'export const config = {}',
      ': There is no default export. End the file with `export default defineConfig({ .. })`.',
    ],
    [
      'ts',
      'const x: number = 1\n\nthrow new Error(`boom ${x}`)\nexport default {}',
      ':3:7: The file could not be run: boom 1.',
    ],
    ['mjs', '\nexport default missing.tables', ':2:16: The file could not be run: missing is not defined.'],
    [
      'ts',
      'export default {\n  tables: [ ,\n  x y\n',
      ':3:5: This is not TypeScript: Unexpected token, expected ",".',
    ],
    ['ts', `throw 'plain text'`, ': The file could not be run: it threw "plain text".'],
    ['mjs', 'export default Promise.reject(new Error("later"))', ':1:31: The file could not be run: later.'],
    ['mjs', 'export default () => ({})', ': Expected an object with `tables`, got a function.'],
  ])('%s: %j', async (extension, text, sentence) => {
    const name = `partsmith.config.${extension}`
    expect(await failure(name, text)).toBe(`${name}${sentence}`)
  })

  it.each(['ts', 'mjs'])('name an import that fails (%s)', async (extension) => {
    const name = `partsmith.config.${extension}`
    const message = await failure(name, `import x from './nowhere.mjs'\nexport default x`)
    expect(message).toMatch(/An import failed: Cannot find module '.*nowhere\.mjs'/)
  })

  it('name the neighbour that cannot be parsed', async () => {
    const cwd = await directory({
      'partsmith.config.ts': `import { x } from './near.ts'\nexport default x`,
      'near.ts': 'export const x = {\n  a b\n}\n',
    })
    expect(await failureIn(cwd)).toBe(
      `partsmith.config.ts: This is not TypeScript: Unexpected token, expected "," (in ${join(cwd, 'near.ts')}:2:5).`,
    )
  })

  it('never show a password', async () => {
    const text = `throw new Error('cannot parse postgres://me:hunter2@host/db')`
    const message = await failure('partsmith.config.mjs', text)
    expect(message).toContain('postgres://me:***@host/db')
  })

  it('of syntax are placed where Node itself does not tell, without a cache left behind', async () => {
    const cwd = await directory({ 'partsmith.config.mjs': 'export default {\n  tables: [ ,\n  x y\n' })
    const built = new URL('../../dist/cli/config-file.js', import.meta.url).href
    const program = `import { loadConfigFile } from ${JSON.stringify(built)}
      await loadConfigFile().catch((error) => console.log(error.message))`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { cwd })
    expect(stdout).toBe('partsmith.config.mjs:3:5: This is not JavaScript: Unexpected token, expected ",".\n')
    expect(await readdir(cwd)).toEqual(['partsmith.config.mjs'])
  })

  it('do not run the file twice', async () => {
    const text = `globalThis.partsmithRuns = (globalThis.partsmithRuns ?? 0) + 1\nthrow new Error('run ' + globalThis.partsmithRuns)`
    expect(await failure('partsmith.config.mjs', text)).toContain('run 1.')
  })
})
