import * as z from 'zod'
import { documentSchema } from './schema.ts'

type JsonSchema = z.core.JSONSchema.BaseSchema

/**
 * Renders every option as Markdown, one table for each object of the configuration file.
 *
 * Name, type, default and description come from the schema that validates, so they cannot differ from it.
 */
export function optionReference(): string {
  const root = z.toJSONSchema(documentSchema, { io: 'input' })
  return [
    ...section('The file', root),
    ...section('`tables[]`: one table', property(root, 'tables')?.items),
    'Every option of a table but `tableName` and `allowDestructive` may stand in `defaults` too.',
    '',
    ...section('`connection`', property(root, 'connection')),
    ...section('`runtime`', property(root, 'runtime')),
    ...section('`hooks`', property(root, 'hooks')),
  ].join('\n')
}

function section(title: string, schema: unknown): readonly string[] {
  if (!isSchema(schema)) return []
  const required = new Set(schema.required)
  const rows = Object.keys(schema.properties ?? {}).map((name) => {
    const option = property(schema, name) ?? {}
    const otherwise = required.has(name) ? 'required' : ''
    return row([
      code(name),
      typeOf(option),
      option.default === undefined ? otherwise : code(JSON.stringify(option.default)),
      option.description ?? '',
    ])
  })
  return [
    `## ${title}`,
    '',
    row(['Option', 'Type', 'Default', 'Description']),
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ]
}

function property({ properties }: JsonSchema, name: string): JsonSchema | undefined {
  const schema = properties?.[name]
  return isSchema(schema) ? schema : undefined
}

/** Anything but `true`, `false` and lists, which JSON Schema allows and ours has none of. */
function isSchema(schema: unknown): schema is JsonSchema {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema)
}

function typeOf(schema: JsonSchema): string {
  if (schema.const !== undefined) return code(JSON.stringify(schema.const))
  if (schema.enum !== undefined) return schema.enum.map((word) => code(JSON.stringify(word))).join(' or ')
  if (schema.anyOf !== undefined) return schema.anyOf.filter(isSchema).map(typeOf).join(' or ')
  if (Array.isArray(schema.type)) return schema.type.join(' or ')
  if (schema.type === 'array')
    return `list of ${isSchema(schema.items) && schema.items.type === 'string' ? 'texts' : 'objects'}`
  if (schema.type === 'integer' || schema.type === 'number') return `${schema.type}${rangeOf(schema)}`
  return schema.type === 'string' ? 'text' : String(schema.type)
}

function rangeOf({ minimum, exclusiveMinimum, maximum }: JsonSchema): string {
  const from =
    minimum === undefined
      ? exclusiveMinimum === undefined
        ? ''
        : ` above ${exclusiveMinimum}`
      : ` from ${minimum}`
  return `${from}${maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? '' : ` to ${maximum}`}`
}

function code(text: string): string {
  return `\`${text}\``
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', String.raw`\|`)).join(' | ')} |`
}
