/** pg_partman: from an installed PostgreSQL 15, or from Debian's package, unpacked and not installed. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, Pool } from 'pg'

import type { TableWish } from '../tables.ts'
import { partitionOf, today } from '../tables.ts'
import type { MaintenanceTool, Peer, ToolRun } from '../tool.ts'
import { sessionName } from '../tool.ts'
import { peersFolder, reasonOf, run } from './folder.ts'

export interface FoundPartman {
  /** The control file and the script of the version. */
  readonly files: readonly string[]
}

const debianPackage = 'postgresql-15-partman'
const extensionFolder = 'usr/share/postgresql/15/extension'

export async function findPartman(): Promise<Peer<FoundPartman>> {
  try {
    const installed = await filesIn(join('/', extensionFolder))
    if (installed) return { available: true, from: 'an installed package', ...installed }
    const folder = await peersFolder()
    const unpacked = join(folder, debianPackage)
    const kept = await filesIn(join(unpacked, extensionFolder))
    if (kept) return { available: true, from: `Debian's ${debianPackage}`, ...kept }
    await run('apt-get', ['download', debianPackage], folder)
    const archive = (await readdir(folder)).find(
      (name) => name.startsWith(debianPackage) && name.endsWith('.deb'),
    )
    if (archive === undefined) throw new Error('apt-get gave no package.')
    await run('dpkg', ['-x', join(folder, archive), unpacked])
    const fresh = await filesIn(join(unpacked, extensionFolder))
    if (!fresh) throw new Error(`There is no pg_partman in ${archive}.`)
    return { available: true, from: `Debian's ${debianPackage}`, ...fresh }
  } catch (error) {
    return { available: false, why: `pg_partman could not be had: ${reasonOf(error)}` }
  }
}

/** The scripts of single versions are named `pg_partman--VERSION.sql`; those with two versions are upgrades. */
async function filesIn(folder: string): Promise<(FoundPartman & { readonly version: string }) | undefined> {
  const names = await readdir(folder).catch((): string[] => [])
  const script = names.find((name) => /^pg_partman--[\d.]+\.sql$/.test(name))
  if (script === undefined || !names.includes('pg_partman.control')) return undefined
  const version = script.slice('pg_partman--'.length, -'.sql'.length)
  return { version, files: ['pg_partman.control', script].map((name) => join(folder, name)) }
}

/** Creates the extension where it is not there yet, and drives it as its documentation says: a call, by a client. */
export async function openPartman(url: string): Promise<MaintenanceTool> {
  const pool = new Pool({ connectionString: url, max: 1 })
  pool.on('error', () => undefined)
  await pool.query('CREATE SCHEMA IF NOT EXISTS partman')
  await pool.query('CREATE EXTENSION IF NOT EXISTS pg_partman SCHEMA partman')
  const client = new Client({ connectionString: url, application_name: sessionName })
  client.on('error', () => undefined)
  await client.connect()
  return {
    name: 'pg_partman',
    prepare: (wishes) => register(pool, wishes),
    maintain: () => maintain(client),
    close: async () => {
      await client.end()
      await pool.end()
    },
  }
}

/**
 * Has `create_parent` register one table of the kind, and takes its row of `part_config` over for the tables.
 *
 * `create_parent` itself would make partitions, and what is measured must begin the same for every tool.
 */
async function register(pool: Pool, wishes: readonly TableWish[]): Promise<void> {
  await pool.query('DELETE FROM partman.part_config')
  await pool.query('DROP TABLE IF EXISTS partman_model, partman.template_public_partman_model')
  await pool.query(
    `CREATE TABLE partman_model (id bigint NOT NULL, at timestamptz NOT NULL, payload text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)`,
  )
  await pool.query(
    `SELECT partman.create_parent('public.partman_model', 'at', 'native', 'daily', p_premake := 1)`,
  )
  const day = await today(pool)
  const { rows } = await pool.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
    partitionOf('partman_model', day),
  ])
  if (rows[0]?.found === null) {
    throw new Error(
      `pg_partman names the partition of today in another way than ${partitionOf('table', day)}.`,
    )
  }
  await pool.query(
    `INSERT INTO partman.part_config
     SELECT (jsonb_populate_record(m, jsonb_build_object(
       'parent_table', 'public.' || w."table", 'premake', w.ahead - 1, 'infinite_time_partitions', true,
       'retention', (w.keep - 1) || ' days'))).*
     FROM partman.part_config m, jsonb_to_recordset($1::jsonb) AS w("table" text, ahead int, keep int)
     WHERE m.parent_table = 'public.partman_model'`,
    [JSON.stringify(wishes)],
  )
  await pool.query(`DELETE FROM partman.part_config WHERE parent_table = 'public.partman_model'`)
  await pool.query('ANALYZE partman.part_config')
}

async function maintain(client: Client): Promise<ToolRun> {
  const complaints: string[] = []
  const listen = ({ message }: { message?: string | undefined }): void => {
    if (message !== undefined) complaints.push(message)
  }
  client.on('notice', listen)
  const started = performance.now()
  try {
    await client.query('CALL partman.run_maintenance_proc()')
  } catch (error) {
    const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
    complaints.push(`${code} ${reasonOf(error)}`.trim())
  }
  const ms = performance.now() - started
  client.removeListener('notice', listen)
  return { ms, complaints }
}
