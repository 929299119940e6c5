import { InvalidPartitionConfigError, PartitionNotFoundError } from '../errors.ts'
import { defaultMarkerPrefix, markerHeads } from '../model/marker.ts'
import type { TableName } from '../model/table-name.ts'
import { formatTableName } from '../model/table-name.ts'
import type { Grant, OwnedTable, OwnerFacts, ReferrerFacts, RoleFacts, TableRights } from '../plan/grants.ts'
import { missingGrants } from '../plan/grants.ts'
import { checkOptions } from '../policy/call-options.ts'
import { pinSettings } from '../sql/catalog.ts'
import { grantText, readRights } from '../sql/grants.ts'
import type { JsonObject } from '../sql/json-column.ts'
import { jsonColumn, jsonTexts, member } from '../sql/json-column.ts'
import type { ClientSource } from './clients/to-client.ts'
import { toClient } from './clients/to-client.ts'
import { explainReading } from './explain-failure.ts'
import { whichTable } from './meant-table.ts'
import { longestSilenceMs, withConnection } from './session.ts'

export interface MissingGrantsOptions {
  /** Who is to maintain the tables. @default the role that is connected */
  readonly role?: string
  /** How the markers in table comments begin. @default 'pg-partsmith' */
  readonly markerPrefix?: string
  readonly signal?: AbortSignal
}

/** A table to be maintained, and whether its partitions are retired, which needs more rights. */
export interface TableToMaintain {
  readonly table: TableName
  readonly retires: boolean
}

/** What is missing for one table. */
export interface TableGrants {
  readonly table: TableName
  readonly role: string
  /** In the order in which they are to be granted. */
  readonly grants: readonly GrantWithText[]
  /** Where there is no such table, and so nothing is known of it. */
  readonly error?: PartitionNotFoundError
}

export type GrantWithText = Grant & {
  /** The statement, with a semicolon. */
  readonly sql: string
}

/**
 * Finds out what somebody must grant so that a role can maintain the tables; changes nothing.
 *
 * Reads all of it with one query, and needs no rights for that. Throws `InvalidPartitionConfigError` for a role that does
 * not exist; a table that does not exist has its error in its place.
 */
export async function findMissingGrants(
  client: ClientSource,
  wanted: readonly TableToMaintain[],
  options: MissingGrantsOptions = {},
): Promise<readonly TableGrants[]> {
  checkOptions('grants', options)
  const { role, markerPrefix = defaultMarkerPrefix, signal } = options
  const names = wanted.map(({ table }) => table)
  const rows = await ask(client, signal, [
    names.map(({ schema }) => schema),
    names.map(({ name }) => name),
    role ?? null,
    markerHeads(markerPrefix).orphan,
  ])
  return wanted.map(({ table, retires }, index) => {
    const row = rows[index] ?? {}
    const facts = roleFacts(row, role)
    if (typeof row['oid'] !== 'string') return { table, role: facts.name, grants: [], error: notFound(table) }
    const rights = readTableRights(row, { table, role: facts })
    const versionNum = Number(row['version'])
    return {
      table,
      role: facts.name,
      grants: missingGrants(rights, { retires }).map((grant) => ({
        ...grant,
        sql: grantText(grant, { versionNum }),
      })),
    }
  })
}

type Row = Readonly<Record<string, unknown>>

async function ask(
  client: ClientSource,
  signal: AbortSignal | undefined,
  values: readonly unknown[],
): Promise<readonly Row[]> {
  try {
    return await withConnection(toClient(client), { signal, silenceMs: longestSilenceMs }, (session) =>
      session.transaction(
        async () => {
          await session.query(pinSettings)
          return (await session.query(readRights, values)).rows
        },
        { readOnly: true },
      ),
    )
  } catch (error) {
    throw explainReading(error)
  }
}

function roleFacts(row: Row, role: string | undefined): RoleFacts {
  if (typeof row['role'] !== 'string') {
    throw new InvalidPartitionConfigError(
      `There is no role ${JSON.stringify(role)} on this server. Check the spelling, capitals included, or create it first.`,
    )
  }
  const yes = (column: string): boolean => row[column] === 'true'
  return {
    name: row['role'],
    isSuperuser: yes('superuser'),
    inheritsRights: yes('inherits'),
    mayConnect: yes('connects'),
    maySetDeadlockTimeout: yes('sets_deadlock_timeout'),
    seesAllSessions: yes('sees_all'),
  }
}

function notFound(table: TableName): PartitionNotFoundError {
  return new PartitionNotFoundError(
    `There is no table ${formatTableName(table)} in this database. ${whichTable(table, [])}Check the schema and the spelling: names are compared exactly, capitals included.`,
  )
}

function readTableRights(
  row: Row,
  { table, role }: { readonly table: TableName; readonly role: RoleFacts },
): TableRights {
  const [fallback] = jsonColumn(row['fallback'], (entry) => ({
    table: tableOf(entry),
    owner: member(entry, 'owner'),
    roleEmpties: entry['role'] === true,
    ownerEmpties: entry['owners'] === true,
  }))
  return {
    table,
    database: String(row['database']),
    role,
    owners: jsonColumn(row['owners'], ownerFacts),
    schema: {
      name: table.schema,
      isUsed: row['schema_used'] === 'true',
      ownerCreates: row['owner_creates'] === 'true',
    },
    tablespaces: jsonTexts(row['tablespaces']),
    ...(fallback && { default: fallback }),
    referencedBy: jsonColumn(row['referrers'], (entry): ReferrerFacts => ({
      table: tableOf(entry),
      uses: entry['uses'] === true,
      reads: entry['reads'] === true,
    })),
  }
}

const kinds: Readonly<Record<string, OwnedTable['is']>> = {
  parent: 'parent',
  default: 'default',
  detached: 'detached',
}

function ownerFacts(entry: JsonObject): OwnerFacts {
  return {
    name: member(entry, 'name'),
    isSuperuser: entry['superuser'] === true,
    inherited: entry['inherited'] === true,
    becomes: entry['becomes'] === true,
    owns: jsonColumn(JSON.stringify(entry['tables'] ?? []), (owned) => ({
      table: tableOf(owned),
      is: kinds[member(owned, 'is')] ?? 'partition',
    })),
  }
}

function tableOf(entry: JsonObject): TableName {
  return { schema: member(entry, 'schema'), name: member(entry, 'name') }
}
