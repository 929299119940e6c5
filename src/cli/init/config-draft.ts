import type { PartitionGranularity, TableName } from '../../index.ts'
import { printable, tableText } from '../render/printable.ts'
import type { DerivedTable } from './derive-table.ts'

export type ConfigFormat = 'yaml' | 'ts' | 'json'

export interface ConfigDraft {
  /** The database that was read, without a password. */
  readonly from: string
  readonly tables: readonly Extract<DerivedTable, { kind: 'table' }>[]
  readonly leftOut: readonly { readonly table: TableName; readonly reason: string }[]
}

/** Writes the configuration in one of the formats that are read; JSON has no comments. */
export function renderDraft(draft: ConfigDraft, format: ConfigFormat): string {
  switch (format) {
    case 'yaml':
      return yamlDraft(draft)
    case 'ts':
      return typeScriptDraft(draft)
    case 'json':
      return `${JSON.stringify(plainDraft(draft), null, 2)}\n`
  }
}

const retentionComment = 'without it nothing ever expires; it counts the current partition'
const dropComment =
  'how long a detached partition can be taken back; left out, it is dropped by the run that detaches it'

/** To begin with: three days, a quarter, a year, two years, five years. */
const suggestedRetention: Readonly<Record<PartitionGranularity, number>> = {
  hour: 72,
  day: 90,
  week: 52,
  month: 12,
  quarter: 8,
  year: 5,
}

function preface({ from }: ConfigDraft): readonly string[] {
  return [
    `Written by \`pg-partsmith init\` from ${from}.`,
    'Nothing expires until a table has a retentionCount.',
    'Check it with `pg-partsmith validate`, see what is due with `pg-partsmith plan`.',
    'The database is not named here: give --url, or set PG_PARTSMITH_URL or the PG* variables.',
  ]
}

function yamlDraft(draft: ConfigDraft): string {
  const { ddlTimezone, because } = zoneOfDdl(draft)
  return lines([
    ...comments(preface(draft), '# '),
    '# For completion in editors: pg-partsmith schema --write partsmith.schema.json, and this as the first line:',
    '# # yaml-language-server: $schema=./partsmith.schema.json',
    '',
    ...(ddlTimezone === 'UTC'
      ? []
      : ['runtime:', ...comments([because], '  # '), `  ddlTimezone: ${yamlScalar(ddlTimezone)}`, '']),
    'tables:',
    ...draft.tables.flatMap((table) => {
      const [first = '', ...rest] = Object.entries(settingsOf(table)).map(
        ([key, value]) => `${key}: ${typeof value === 'number' ? value : yamlScalar(value)}`,
      )
      return [
        ...comments(table.notes, '  # '),
        `  - ${first}`,
        ...rest.map((line) => `    ${line}`),
        `    # retentionCount: ${suggestedRetention[table.granularity]} # ${retentionComment}`,
        `    # dropAfter: 7 days # ${dropComment}`,
        '',
      ]
    }),
    ...leftOutComments(draft, '# '),
  ])
}

function typeScriptDraft(draft: ConfigDraft): string {
  const { ddlTimezone, because } = zoneOfDdl(draft)
  return lines([
    "import { defineConfig } from 'pg-partsmith/config'",
    '',
    ...comments(preface(draft), '// '),
    'export default defineConfig({',
    ...(ddlTimezone === 'UTC'
      ? []
      : [...comments([because], '  // '), `  runtime: { ddlTimezone: ${JSON.stringify(ddlTimezone)} },`]),
    '  tables: [',
    ...draft.tables.flatMap((table) => [
      ...comments(table.notes, '    // '),
      '    {',
      ...Object.entries(settingsOf(table)).map(([key, value]) => `      ${key}: ${JSON.stringify(value)},`),
      `      // retentionCount: ${suggestedRetention[table.granularity]}, // ${retentionComment}`,
      `      // dropAfter: '7 days', // ${dropComment}`,
      '    },',
    ]),
    '  ],',
    '})',
    ...(draft.leftOut.length > 0 ? ['', ...leftOutComments(draft, '// ')] : []),
  ])
}

function plainDraft(draft: ConfigDraft): unknown {
  const { ddlTimezone } = zoneOfDdl(draft)
  return {
    ...(ddlTimezone !== 'UTC' && { runtime: { ddlTimezone } }),
    tables: draft.tables.map(settingsOf),
  }
}

function settingsOf(table: ConfigDraft['tables'][number]): Readonly<Record<string, string | number>> {
  return {
    schema: table.table.schema,
    tableName: table.table.name,
    partitionColumn: table.partitionColumn,
    granularity: table.granularity,
    timeZone: table.timeZone,
    createAheadCount: 3,
  }
}

/** One zone for all tables is the session's zone too; with several, none is set. */
function zoneOfDdl({ tables }: ConfigDraft): {
  readonly ddlTimezone: string | null
  readonly because: string
} {
  const [zone = 'UTC', ...others] = new Set(tables.map(({ timeZone }) => timeZone))
  return others.length === 0
    ? { ddlTimezone: zone, because: 'The zone of the tables below.' }
    : { ddlTimezone: null, because: 'The tables below are in several zones.' }
}

function leftOutComments({ leftOut }: ConfigDraft, mark: string): readonly string[] {
  if (leftOut.length === 0) return []
  return comments(
    [
      'Not here, because it cannot be maintained as it is:',
      ...leftOut.map((table) => `  ${leftOutLine(table)}`),
    ],
    mark,
  )
}

/** `app.customers: it is partitioned by LIST`. */
export function leftOutLine({ table, reason }: ConfigDraft['leftOut'][number]): string {
  return `${tableText(table)}: ${printable(reason)}`
}

/** A line end in a name must not end the comment. */
function comments(sentences: readonly string[], mark: string): readonly string[] {
  return sentences.map((sentence) => `${mark}${printable(sentence).replaceAll('\n', String.raw`\n`)}`)
}

const plainScalar = /^[A-Za-z_][\w/+-]*$/
const reservedScalar = /^(?:true|false|yes|no|on|off|null|y|n)$/i

/** Quoted as JSON, which YAML understands, where it is not plainly a text. */
function yamlScalar(value: string | null): string {
  if (value === null) return 'null'
  return plainScalar.test(value) && !reservedScalar.test(value) ? value : JSON.stringify(value)
}

function lines(text: readonly string[]): string {
  return `${text.join('\n').trimEnd()}\n`
}
