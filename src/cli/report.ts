import type { TableName } from '../index.ts'
import type { CommandIo } from './command-io.ts'
import { type DatabaseIdentity, databaseText } from './database-identity.ts'
import { type ExitCode, worstOf } from './exit-code.ts'
import { failureOf, type Hide, sentenceOf } from './failure.ts'
import { wrap } from './render/columns.ts'
import { renderEnvelope } from './render/envelope.ts'
import { listed } from './render/listed.ts'
import { renderMetrics, type TableObservation } from './render/metrics.ts'
import { printable, tableText } from './render/printable.ts'
import { type Page, styleFor } from './render/style.ts'
import type { OutputFormat } from './table-options.ts'
import { writeWhole } from './written-file.ts'

/** What a command has to say about one table, in all three forms. */
export interface TableReport {
  readonly table: TableName
  readonly exitCode: ExitCode
  /** For people; empty where an error says it all. */
  lines(page: Page): readonly string[]
  /** Fields of the table in the JSON output. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly observed: TableObservation
  /** What kept the command from looking at the table. It goes to standard error. */
  readonly error?: unknown
}

/** What a command has to say. */
export interface CommandReport {
  readonly command: string
  readonly tables: readonly TableReport[]
  /** The sentence that ends the text for people. */
  readonly closing: string
  /** Makes the exit code worse than the tables do. */
  readonly exitCode?: ExitCode
  /** Stands in for the text for people, such as SQL. */
  readonly text?: string
  /** Stand in for the lines of each table, where several are told together; with none nothing at all is printed. */
  sections?(page: Page): readonly (readonly string[])[]
}

export interface Presentation {
  readonly output: OutputFormat
  readonly write: string | undefined
  readonly hide: Hide
  /** Undefined where the command ended before it was known. */
  readonly database: DatabaseIdentity | undefined
}

/** Prints a report, or writes it to a file, and gives the exit code. */
export async function present(
  report: CommandReport,
  { output, write, hide, database }: Presentation,
  io: CommandIo,
): Promise<ExitCode> {
  const exitCode = worstOf([report.exitCode ?? 0, ...report.tables.map((table) => table.exitCode)])
  complain(report.tables, { hide, io })
  const page = pageOf(write === undefined ? io.out : undefined, io)
  const text = render({ report, output, page, exitCode, hide, database })
  if (write === undefined) io.out.write(text)
  else await writeWhole(write, text, io.cwd)
  return exitCode
}

/** How text for people is laid out on a screen; a file gets no colours. */
export function pageOf(screen: CommandIo['out'] | undefined, { env }: CommandIo): Page {
  const noColour = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== ''
  const colours = screen?.isTerminal === true && !noColour && env['TERM'] !== 'dumb'
  return { columns: screen?.columns ?? 80, style: styleFor(colours) }
}

function render(about: {
  readonly report: CommandReport
  readonly output: OutputFormat
  readonly page: Page
  readonly exitCode: ExitCode
  readonly hide: Hide
  readonly database: DatabaseIdentity | undefined
}): string {
  const { report, output, page, exitCode, hide, database } = about
  const { command, tables } = report
  const now = new Date()
  switch (output) {
    case 'json':
      return renderEnvelope({
        command,
        generatedAt: now.toISOString(),
        exitCode,
        ...(database && { database }),
        tables: tables.map(({ table, exitCode: code, fields, error }) => ({
          schema: table.schema,
          name: table.name,
          exitCode: code,
          ...(error !== undefined && { error: failureOf(error, hide) }),
          ...fields,
        })),
      })
    case 'metrics':
      return renderMetrics({
        command,
        timestamp: now.getTime() / 1_000,
        exitCode,
        tables: tables.map(({ observed }) => observed),
        database,
      })
    case 'human':
      return report.text ?? renderHuman(report, page, database)
  }
}

function renderHuman(report: CommandReport, page: Page, database: DatabaseIdentity | undefined): string {
  const about = database
    ? [
        wrap(databaseText(database), { first: '', columns: page.columns }).map((line) =>
          page.style.muted(line),
        ),
      ]
    : []
  const { tables, closing } = report
  const told = report.sections?.(page)
  if (told?.length === 0 && tables.length > 0) return ''
  const sections = [...about, ...(told ?? tables.map((table) => table.lines(page)))].filter(
    (lines) => lines.length > 0,
  )
  const text = sections
    .map((lines) => lines.join('\n').trimEnd())
    .concat(wrap(printable(closing), { first: '', columns: page.columns }).join('\n'))
    .join('\n\n')
  return `${text}\n`
}

const mostNamed = 3

/** One error of several tables, such as a server that is not there, is said once. */
function complain(
  tables: readonly TableReport[],
  { hide, io }: { readonly hide: Hide; readonly io: CommandIo },
): void {
  const byText = new Map<string, string[]>()
  for (const { table, error } of tables) {
    if (error === undefined) continue
    const text = sentenceOf(error, hide)
    const names = byText.get(text)
    if (names) names.push(tableText(table))
    else byText.set(text, [tableText(table)])
  }
  for (const [text, names] of byText) {
    // Most sentences name their table already.
    const named = names.length === 1 && text.includes(names[0] ?? '')
    io.err.write(`${printable(`pg-partsmith: ${named ? '' : `${listed(names, mostNamed)}: `}${text}`)}\n`)
  }
}

/** Prints why a command could not begin, and gives the exit code; JSON readers get an envelope all the same. */
export function presentFailure(
  about: { readonly command: string; readonly error: unknown; readonly exitCode: ExitCode },
  { output, write, hide, database }: Presentation,
  io: CommandIo,
): ExitCode {
  const { command, error, exitCode } = about
  io.err.write(`${printable(`pg-partsmith: ${sentenceOf(error, hide)}`)}\n`)
  // A file is not made of a failure: what is in it stays.
  if (output === 'json' && write === undefined) {
    io.out.write(
      renderEnvelope({
        command,
        generatedAt: new Date().toISOString(),
        exitCode,
        ...(database && { database }),
        tables: [],
        error: failureOf(error, hide),
      }),
    )
  }
  return exitCode
}

/** The report about a table that could not be looked at. */
export function failedTable(table: TableName, error: unknown, exitCode: ExitCode): TableReport {
  return { table, exitCode, lines: () => [], fields: {}, observed: { table, up: false }, error }
}
