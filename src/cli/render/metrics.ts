import {
  type FindingSeverity,
  formatTableName,
  Instant,
  type MaintenancePlan,
  type MaintenanceResult,
  operationKinds,
  type OperationWait,
  type PartitionState,
  type TableInspection,
  type TableName,
} from '../../index.ts'
import type { ExitCode } from '../exit-code.ts'
import { type DatabaseIdentity, serverText } from '../database-identity.ts'
import { printable } from './printable.ts'

/** What a command has seen of one table; what it did not look at gives no samples. */
export interface TableObservation {
  readonly table: TableName
  /** Whether the table could be read. */
  readonly up: boolean
  readonly plan?: MaintenancePlan | undefined
  readonly inspection?: TableInspection | undefined
  readonly result?: MaintenanceResult | undefined
  /** Whether another run held the lock of the table. */
  readonly locked?: boolean | undefined
}

export interface MetricsInput {
  readonly command: string
  /** Seconds since 1970. */
  readonly timestamp: number
  readonly exitCode: ExitCode
  readonly tables: readonly TableObservation[]
  /** Left out where it is not known. */
  readonly database?: Pick<DatabaseIdentity, 'name' | 'host' | 'port'> | undefined
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const severities: readonly FindingSeverity[] = ['error', 'warning', 'info']
const states: readonly PartitionState[] = [
  'missing',
  'expired',
  'past',
  'current',
  'future',
  'default',
  'unmanaged',
  'detach-pending',
  'detached',
  'half-built',
]

/**
 * What was seen as Prometheus text. Every combination of labels is there, with 0 where there is nothing, so that an
 * alert never rests on a series that is absent; what is not known, as the runway of a table that is not as configured, is
 * no 0 and has none. Server and database are on every one, because two databases can have a table of the same name.
 */
export function renderMetrics({ command, timestamp, exitCode, tables, database }: MetricsInput): string {
  const where = database ? { server: serverText(database), database: database.name } : {}
  const families: readonly (readonly [name: string, help: string, samples: readonly Sample[]])[] = [
    ['up', 'Whether the table could be read (1) or not (0).', perTable(tables, ({ up }) => Number(up))],
    [
      'pending_operations',
      'Operations that are due now and were not carried out, also those that wait for a pending detach.',
      perTable(
        tables,
        ({ plan }) => plan,
        (plan) =>
          operationKinds.map((kind) => [
            { kind },
            [...plan.operations, ...(plan.waiting ?? [])].filter((each) => each.kind === kind).length,
          ]),
      ),
    ],
    [
      'findings',
      'Things about the table that are not as wanted.',
      perTable(
        tables,
        ({ plan, inspection, result }) => (inspection ?? plan ?? result)?.findings,
        (findings) =>
          severities.map((severity) => [
            { severity },
            findings.filter((each) => each.severity === severity).length,
          ]),
      ),
    ],
    [
      'partitions',
      'Partitions and detached tables by state.',
      perTable(
        tables,
        ({ inspection }) => inspection,
        ({ partitions }) =>
          states.map((state) => [{ state }, partitions.filter((each) => each.state === state).length]),
      ),
    ],
    [
      'runway_seconds',
      'How long inserts of the present moment go on finding a partition.',
      perTable(tables, ({ inspection }) => inspection && runwaySeconds(inspection)),
    ],
    [
      'default_rows',
      'Rows in the DEFAULT partition, an estimate where it is large; 0 where there is none.',
      perTable(tables, ({ inspection }) => inspection && rowsInDefault(inspection)),
    ],
    [
      'detached_partitions',
      'Tables that were detached and not dropped yet.',
      perTable(tables, ({ inspection }) => inspection && detachedIn(inspection).length),
    ],
    [
      'oldest_detached_age_seconds',
      'How long ago the oldest of them was detached; 0 where there is none.',
      perTable(tables, ({ inspection }) => inspection && oldestDetachedAge(inspection)),
    ],
    [
      'applied_operations',
      'Operations that this run carried out.',
      perTable(
        tables,
        ({ result }) => result,
        ({ operations }) =>
          operationKinds.map((kind) => [
            { kind },
            operations.filter((each) => each.kind === kind && each.status === 'done').length,
          ]),
      ),
    ],
    [
      'issues',
      'Operations that failed or were refused in this run, and what else went wrong.',
      perTable(tables, ({ result }) => result && issuesOf(result)),
    ],
    [
      'locked',
      'Whether another run held the lock of the table, so that nothing was done to it (1), or not (0).',
      perTable(tables, ({ result, locked }) => result && Number(locked ?? false)),
    ],
    [
      'gave_way',
      'How often the operations of this run gave way to others and were tried again.',
      perTable(tables, ({ result }) => result && waitOf(result, ({ gaveWayCount }) => gaveWayCount)),
    ],
    [
      'waited_seconds',
      'How long the operations of this run waited for others in all.',
      perTable(tables, ({ result }) => result && waitOf(result, ({ durationMs }) => durationMs) / 1_000),
    ],
    ['exit_code', 'What the command told the shell.', [{ labels: { command }, value: exitCode }]],
    ['run_timestamp_seconds', 'When the command ran.', [{ labels: { command }, value: timestamp }]],
  ]
  return families
    .filter(([, , samples]) => samples.length > 0)
    .map(([name, help, samples]) => renderFamily(`pg_partsmith_${name}`, help, { samples, where }))
    .join('')
}

type Figures = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[]

function perTable<T>(
  tables: readonly TableObservation[],
  look: (table: TableObservation) => T | undefined,
  figures: (seen: T) => Figures = (seen) => [[{}, Number(seen)]],
): readonly Sample[] {
  return tables.flatMap((observation) => {
    const seen = look(observation)
    const table = formatTableName(observation.table)
    return seen === undefined
      ? []
      : figures(seen).map(([labels, value]) => ({ labels: { table, ...labels }, value }))
  })
}

/** What ended the run is counted too, where it is not the issue of an operation already. */
function issuesOf({ issues, error }: MaintenanceResult): number {
  return issues.length + (error === undefined || issues.some(({ message }) => message === error) ? 0 : 1)
}

function waitOf({ operations }: MaintenanceResult, figure: (wait: OperationWait) => number): number {
  return operations.reduce((sum, { waited }) => sum + (waited ? figure(waited) : 0), 0)
}

/** Undefined where they were not counted. */
function rowsInDefault({ hasDefault, defaultRows }: TableInspection): number | undefined {
  if (!hasDefault) return 0
  return defaultRows && defaultRows.counted !== 'not' ? defaultRows.rows : undefined
}

function runwaySeconds({ runway, periodsUnknown }: TableInspection): number | undefined {
  if (periodsUnknown === true) return undefined
  if (runway === undefined) return 0
  return runway.microseconds === 'infinity' ? Number.POSITIVE_INFINITY : Number(runway.microseconds) / 1e6
}

function detachedIn({ partitions }: TableInspection): TableInspection['partitions'] {
  return partitions.filter(({ state }) => state === 'detached')
}

function oldestDetachedAge(inspection: TableInspection): number {
  const now = Instant.from(inspection.server.now).epochMicroseconds
  const ages = detachedIn(inspection).flatMap(({ detachedAt }) => {
    if (detachedAt === undefined) return []
    try {
      return [Number(now - Instant.from(detachedAt).epochMicroseconds) / 1e6]
    } catch {
      // The finding about it says that the time cannot be read.
      return []
    }
  })
  return Math.max(0, ...ages)
}

function renderFamily(
  name: string,
  help: string,
  { samples, where }: { readonly samples: readonly Sample[]; readonly where: Sample['labels'] },
): string {
  const lines = samples.map(
    ({ labels, value }) => `${name}${renderLabels({ ...where, ...labels })} ${renderValue(value)}`,
  )
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines, ''].join('\n')
}

function renderLabels(labels: Readonly<Record<string, string>>): string {
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',')}}`
}

/** The format knows escapes for three characters; the other control characters are written out, as in the texts. */
function escapeLabel(value: string): string {
  return printable(value).replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function renderValue(value: number): string {
  return value === Number.POSITIVE_INFINITY ? '+Inf' : String(value)
}
