/** The tools that are compared, driven alike. */

import { readFileSync } from 'node:fs'
import { Pool } from 'pg'

import type { Partsmith } from '../src/index.ts'
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

export type ToolName = 'ours' | 'partman' | 'python'

/** The tools that are there, ours first. */
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
      return openOurs(url)
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

/** The library with its default settings. */
async function openOurs(url: string): Promise<MaintenanceTool> {
  const pool = new Pool({ connectionString: url, max: 5, application_name: sessionName })
  pool.on('error', () => undefined)
  const partsmith = createPartsmith({ pool })
  let configs: readonly TablePartitionConfig[] = []
  return {
    name: 'ours',
    prepare: async (wishes) => {
      configs = wishes.map(ourConfig)
    },
    maintain: async () => {
      const complaints: string[] = []
      const started = performance.now()
      for (const config of configs) complaints.push(...(await maintainOne(partsmith, config)))
      return { ms: performance.now() - started, complaints }
    },
    close: () => pool.end(),
  }
}

async function maintainOne(partsmith: Partsmith, config: TablePartitionConfig): Promise<readonly string[]> {
  try {
    const { issues, findings } = await partsmith.maintain(config)
    return [
      ...issues.map(({ code, message }) => `${code ?? 'issue'}: ${message}`),
      ...findings
        .filter(({ severity }) => severity !== 'info')
        .map(({ code, severity, message }) => `${severity} ${code}: ${message}`),
    ]
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

function ownVersion(): string {
  const content: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof content === 'object' && content !== null && 'version' in content
    ? String(content.version)
    : ''
}
