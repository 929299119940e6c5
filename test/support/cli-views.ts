/** Plans, inspections and results to be rendered, made by hand: what is shown depends on nothing else. */

import { lockOfNew, lockUse } from '../../src/plan/lock-use.ts'
import type {
  CreateOperation,
  DetachOperation,
  DropOperation,
  MaintenancePlan,
  MaintenanceResult,
  PartitionInfo,
  PartitionState,
  TableInspection,
  TablePartitionOptions,
} from '../../src/index.ts'
import { TablePartitionConfig } from '../../src/index.ts'

export const events = { schema: 'app', name: 'events' } as const

export function configOf(more: Partial<TablePartitionOptions> = {}): TablePartitionConfig {
  return new TablePartitionConfig({
    schema: 'app',
    tableName: 'events',
    partitionColumn: 'created_at',
    granularity: 'month',
    retentionCount: 2,
    ...more,
  })
}

const guard = { parentOid: '1', oid: '2', boundText: '', defaultOid: null } as const

export function createOf(name: string, range: { from: string; to: string }): CreateOperation {
  return {
    kind: 'create',
    id: `create app.${name}`,
    parent: events,
    partition: { schema: 'app', name },
    range,
    key: 'created_at',
    rowsInDefault: 0,
    maxRowsFromDefault: 10_000,
    guard: { parentOid: '1', defaultOid: null },
    reason: { code: 'create-ahead', text: '3 partitions are wanted from the current one on' },
    hazards: [],
    locks: [lockUse('parent', events, 'SHARE UPDATE EXCLUSIVE'), lockOfNew({ schema: 'app', name })],
    scans: [],
  }
}

export function detachOf(name: string, range: { from: string; to: string }): DetachOperation {
  return {
    kind: 'detach',
    id: `detach app.${name}`,
    mode: 'concurrent',
    parent: events,
    partition: { schema: 'app', name },
    range,
    guard,
    reason: { code: 'retention-expired', text: '2 partitions are kept, and this one is older' },
    hazards: ['hides-data', 'not-transactional'],
    locks: [
      lockUse('parent', events, 'SHARE UPDATE EXCLUSIVE'),
      lockUse('partition', { schema: 'app', name }, 'ACCESS EXCLUSIVE'),
    ],
    scans: [],
    sizeBytes: 1_258_291,
    rowEstimate: 20_160,
  }
}

export function dropOf(name: string): DropOperation {
  return {
    kind: 'drop',
    id: `drop app.${name}`,
    parent: events,
    partition: { schema: 'app', name },
    guard: { parentOid: '1', oid: '2', comment: null, marker: 'orphan' },
    reason: { code: 'grace-elapsed', text: 'its grace period ended at 2026-03-01' },
    hazards: ['deletes-data'],
    locks: [lockUse('partition', { schema: 'app', name }, 'ACCESS EXCLUSIVE')],
    scans: [],
    sizeBytes: 0,
  }
}

export function planOf(more: Partial<MaintenancePlan> = {}): MaintenancePlan {
  return {
    version: 1,
    table: events,
    plannedAt: '2026-03-15T12:00:00Z',
    configFingerprint: 'f',
    basis: { database: 'd/1', parentOid: '1', partitions: [], detached: [] },
    operations: [],
    findings: [],
    ...more,
  }
}

export function infoOf(state: PartitionState, name: string, boundText?: string): PartitionInfo {
  return {
    schema: 'app',
    name,
    parent: events,
    oid: state === 'missing' ? undefined : '2',
    kind: 'table',
    state,
    boundText,
    period: undefined,
    managed: true,
    rowEstimate: undefined,
    sizeBytes: undefined,
    detachedAt: undefined,
  }
}

/** `FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ..`, whole months of 2026 by number. */
export function months(from: number, to: number = from + 1): string {
  return `FOR VALUES FROM ('${startOf(from)}') TO ('${startOf(to)}')`
}

function startOf(month: number): string {
  const year = 2026 + Math.floor((month - 1) / 12)
  const ofYear = month - 12 * (year - 2026)
  return `${year}-${String(ofYear).padStart(2, '0')}-01 00:00:00+00`
}

export function inspectionOf(
  partitions: readonly PartitionInfo[],
  more: Partial<TableInspection> = {},
): TableInspection {
  return {
    table: events,
    oid: '1',
    method: 'range',
    key: ['created_at'],
    server: { versionNum: 180_004, now: '2026-03-15T12:00:30Z' },
    partitions,
    runway: { until: '2026-05-01T00:00:00Z', microseconds: String(46.5 * 86_400e6) },
    hasDefault: false,
    findings: [],
    ...more,
  }
}

export function resultOf(more: Partial<MaintenanceResult> = {}): MaintenanceResult {
  return {
    table: events,
    success: true,
    createdCount: 0,
    attachedCount: 0,
    finalizedCount: 0,
    detachedCount: 0,
    droppedCount: 0,
    operations: [],
    findings: [],
    issues: [],
    withheldCount: 0,
    durationMs: 1,
    ...more,
  }
}
