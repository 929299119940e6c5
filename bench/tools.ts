/** The tools that are compared, driven alike. */

import { readFileSync } from 'node:fs'
import { Pool } from 'pg'

import type { MaintenanceResult, Partsmith } from '../src/index.ts'
import { createPartsmith, TablePartitionConfig } from '../src/index.ts'
import type { FoundPartman } from './peers/partman.ts'
import { findPartman, openPartman } from './peers/partman.ts'
import type { FoundPython } from './peers/python.ts'
import { findPython, openPython } from './peers/python.ts'
import type { TableWish } from './tables.ts'
import type { MaintenanceTool, Peer } from './tool.ts'
import { sessionName } from './tool.ts'

export interface Peers {
  readonly partman: Peer<FoundPartman>
  readonly python: Peer<FoundPython>
}

/** Finds or installs the named peers; those that are not named count as left out. */
export async function findPeers(names: readonly string[]): Promise<Peers> {
  const leftOut = { available: false, why: 'left out by --peers' } as const
  return {
    partman: names.includes('partman') ? await findPartman() : leftOut,
    python: names.includes('python') ? await findPython() : leftOut,
  }
}

/** What a report says about the tools. */
export function describeTools({ partman, python }: Peers): Readonly<Record<string, unknown>> {
  return {
    ours: { version: ownVersion() },
    pg_partman: describePeer(partman),
    'pg-partsmith for Python': describePeer(python),
  }
}

function describePeer(peer: Peer<object>): object {
  return peer.available ? { version: peer.version, from: peer.from } : { notMeasured: peer.why }
}

/** `ours` runs several tables as one fleet; `one by one` is the same library in a loop over the tables. */
export type ToolName = 'ours' | 'one by one' | 'partman' | 'python'

/** The tools that are there, ours first; without `one by one`, which only says something where there are many tables. */
export function toolNames({ partman, python }: Peers): readonly ToolName[] {
  return [
    'ours',
    ...(partman.available ? ['partman' as const] : []),
    ...(python.available ? ['python' as const] : []),
  ]
}

/** Throws for a peer that is not there. */
export function openTool(name: ToolName, url: string, { python }: Peers): Promise<MaintenanceTool> {
  switch (name) {
    case 'ours':
      return openOurs(url, { name: 'ours', maintain: maintainTogether })
    case 'one by one':
      return openOurs(url, { name: 'ours, one table at a time', maintain: maintainOneByOne })
    case 'partman':
      return openPartman(url)
    case 'python':
      if (!python.available) throw new Error(python.why)
      return openPython(url, python)
  }
}

export function ourConfig({ table, ahead, keep }: TableWish): TablePartitionConfig {
  return new TablePartitionConfig({
    tableName: table,
    partitionColumn: 'at',
    granularity: 'day',
    createAheadCount: ahead,
    ...(keep !== undefined && { retentionCount: keep }),
  })
}

type Maintain = (partsmith: Partsmith, configs: readonly TablePartitionConfig[]) => Promise<readonly string[]>

/** The library, and the pool, with their default settings. */
async function openOurs(
  url: string,
  { name, maintain }: { readonly name: string; readonly maintain: Maintain },
): Promise<MaintenanceTool> {
  const pool = new Pool({ connectionString: url, application_name: sessionName })
  pool.on('error', () => undefined)
  const partsmith = createPartsmith({ pool })
  let configs: readonly TablePartitionConfig[] = []
  return {
    name,
    prepare: async (wishes) => {
      configs = wishes.map(ourConfig)
    },
    maintain: async () => {
      const started = performance.now()
      const complaints = await maintain(partsmith, configs)
      return { ms: performance.now() - started, complaints }
    },
    close: () => pool.end(),
  }
}

/** Several tables are a fleet, as the guide has it; one table is maintained by itself. */
const maintainTogether: Maintain = async (partsmith, configs) => {
  if (configs.length === 1) return maintainOneByOne(partsmith, configs)
  const results = await partsmith.maintainFleet(configs.map((config) => ({ config })))
  return results.flatMap(complaintsOf)
}

const maintainOneByOne: Maintain = async (partsmith, configs) => {
  const complaints: string[] = []
  for (const config of configs) {
    try {
      complaints.push(...complaintsOf(await partsmith.maintain(config)))
    } catch (error) {
      complaints.push(error instanceof Error ? error.message : String(error))
    }
  }
  return complaints
}

function complaintsOf({ issues, findings }: MaintenanceResult): readonly string[] {
  return [
    ...issues.map(({ code, message }) => `${code ?? 'issue'}: ${message}`),
    ...findings
      .filter(({ severity }) => severity !== 'info')
      .map(({ code, severity, message }) => `${severity} ${code}: ${message}`),
  ]
}

function ownVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof content === 'object' && content !== null && 'version' in content
    ? String(content.version)
    : ''
}
