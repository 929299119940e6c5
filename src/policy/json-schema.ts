import * as z from 'zod'
import { documentSchema } from './schema.ts'

/**
 * Gives the JSON Schema (draft 2020-12) of a configuration file, for editors and other tools.
 *
 * It accepts more than `parseDocument` does: it cannot know what `defaults` supply, which zones exist or how many bytes
 * a name takes.
 */
export function documentJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(documentSchema, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => {
      // Said of every whole number that has no upper end, and of no use to a reader.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  return {
    $schema,
    title: 'pg-partsmith configuration',
    description: 'The partitioned tables to maintain, and how.',
    ...schema,
    // The standard that the schema has for its own TypeScript users is no part of the text.
    '~standard': undefined,
  }
}
