import { describe, expect, it } from 'vitest'
import { documentJsonSchema } from '../../../src/policy/json-schema.ts'
import { optionReference } from '../../../src/policy/option-reference.ts'
import { optionDefaults } from '../../../src/policy/schema.ts'

interface Node {
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly description?: string
  readonly default?: unknown
  readonly additionalProperties?: boolean
}

/** Every option of the schema, with its path. */
function options(node: Node, path: string): readonly (readonly [path: string, option: Node])[] {
  const found: (readonly [path: string, option: Node])[] = []
  for (const [name, option] of Object.entries(node.properties ?? {})) {
    found.push([`${path}.${name}`, option], ...options(option, `${path}.${name}`))
  }
  return node.items === undefined ? found : found.concat(options(node.items, `${path}[]`))
}

/** As an editor gets it: through JSON. */
const schema: Node & Record<string, unknown> = JSON.parse(JSON.stringify(documentJsonSchema()))

describe('the JSON Schema', () => {
  it('is draft 2020-12, and its root is an object without references', () => {
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      required: ['tables'],
      additionalProperties: false,
    })
    expect(JSON.stringify(schema)).not.toMatch(/"\$ref"|"\$defs"|~standard/)
  })

  it('describes every option', () => {
    const all = options(schema, '')
    expect(all.length).toBeGreaterThan(35)
    expect(all.filter(([, option]) => option.description === undefined)).toEqual([])
  })

  it('knows no object that takes unknown keys', () => {
    const objects = [['', schema] as const, ...options(schema, '')].flatMap(([path, node]) => [
      [path, node] as const,
      [`${path}[]`, node.items] as const,
    ])
    const open = objects.filter(
      ([, node]) => node?.properties !== undefined && node.additionalProperties !== false,
    )
    expect(open).toEqual([])
  })

  it('says the defaults that parsing uses', () => {
    const found = Object.fromEntries(
      options(schema, '')
        .filter(([path, option]) => option.default !== undefined && !path.startsWith('.defaults'))
        .map(([path, option]) => [path.slice(path.lastIndexOf('.') + 1), option.default]),
    )
    expect(found).toEqual(optionDefaults)
  })
})

describe('the option reference', () => {
  const text = optionReference()

  it('has a row for every option', () => {
    const rows = text.split('\n').filter((line) => line.startsWith('| `'))
    const names = options(schema, '').filter(([path]) => !path.startsWith('.defaults.'))
    expect(rows).toHaveLength(names.length)
    for (const [path] of names) expect(text).toContain(`| \`${path.slice(path.lastIndexOf('.') + 1)}\` |`)
  })

  it('shows type, default and description', () => {
    expect(text).toContain(
      '| `createAheadCount` | integer from 1 to 1000 | `3` | How many partitions exist from now on, the current one included. |',
    )
    expect(text).toContain('| `retentionCount` | integer from 1 |  |')
    expect(text).toContain('| `tableName` | text | required |')
    expect(text).toContain('| `ddlTimezone` | text or null | `"UTC"` |')
    expect(text).toContain('| `beforeDrop` | list of texts |')
    expect(text).toContain('| `"auto"` or `"concurrent"` or `"blocking"` |')
  })
})
