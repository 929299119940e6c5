import type { TimeKeyType } from '../model/key-codec.ts'
import type { ParentTable } from '../model/partition-tree.ts'
import { formatTableName } from '../model/table-name.ts'
import type { TablePartitionConfig } from '../policy/config.ts'
import type { Finding } from './finding.ts'
import { finding } from './finding.ts'

const keyTypes: Readonly<Record<string, TimeKeyType>> = {
  'timestamp with time zone': 'timestamptz',
  'timestamp without time zone': 'timestamp',
  date: 'date',
}

export type KeyCheck = { readonly keyType: TimeKeyType } | { readonly findings: readonly Finding[] }

/** Whether the table is partitioned as the configuration says; where it is not, nothing is planned for it. */
export function checkKey(config: TablePartitionConfig, parent: ParentTable): KeyCheck {
  const table = formatTableName(parent.name)
  const [column, ...more] = parent.key
  const findings: Finding[] = []
  if (parent.method !== config.partitionType) {
    findings.push(
      finding('method-mismatch', {
        message: `${table} is partitioned by ${parent.method.toUpperCase()} and the configuration says ${config.partitionType.toUpperCase()}.`,
        next: 'Take the table out of the configuration; this version maintains tables partitioned by RANGE of a time.',
      }),
    )
    return { findings }
  }
  if (column === undefined || more.length > 0 || column.name !== config.partitionColumn) {
    const key = describeKey(parent)
    findings.push(
      finding('key-mismatch', {
        message: parent.columns.includes(config.partitionColumn)
          ? `${table} is partitioned by (${key}) and the configuration says (${config.partitionColumn}).`
          : `${table} has no column "${config.partitionColumn}"; it is partitioned by (${key}).`,
        next:
          more.length === 0 && column?.name !== undefined
            ? `Set partitionColumn to ${JSON.stringify(column.name)}, or take the table out of the configuration.`
            : 'Take the table out of the configuration; this version maintains keys of one plain column.',
      }),
    )
    return { findings }
  }
  const keyType = keyTypes[column.type]
  if (keyType === undefined) {
    findings.push(
      finding('key-type-unsupported', {
        message: `The key ${table}.${config.partitionColumn} is of type ${column.type}.`,
        next: 'Take the table out of the configuration; this version maintains keys of type timestamptz, timestamp and date.',
      }),
    )
    return { findings }
  }
  if (keyType === 'date' && config.granularity === 'hour') {
    findings.push(
      finding('key-type-unsupported', {
        message: `The key ${table}.${config.partitionColumn} is of type date, which cannot be cut into hours.`,
        next: "Set granularity to 'day' or longer.",
      }),
    )
    return { findings }
  }
  // PostgreSQL refuses such keys on the parent itself; the check keeps a plan honest should that ever change.
  for (const key of parent.uniqueKeys) {
    if (key.columns.includes(config.partitionColumn)) continue
    findings.push(
      finding('unique-key-lacks-partition-key', {
        message: `The unique key ${key.name} of ${table} is on (${key.columns.join(', ')}) and lacks ${config.partitionColumn}, so no partition can enforce it.`,
        next: `Replace it by a key that contains ${config.partitionColumn}.`,
      }),
    )
  }
  return findings.length > 0 ? { findings } : { keyType }
}

/** PostgreSQL prints the whole key, `RANGE (a, lower(b))`, where one part of it is an expression. */
function describeKey(parent: ParentTable): string {
  const whole = parent.key.find(({ expression }) => expression !== undefined)?.expression
  return whole?.replace(/^\w+ \((.*)\)$/s, '$1') ?? parent.key.map(({ name }) => name ?? '?').join(', ')
}
