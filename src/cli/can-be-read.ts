import type { TableName } from '../index.ts'
import type { Workspace } from './workspace.ts'

/** Whether a table can be looked at, asked where something else about it went wrong, such as the name of a partition. */
export async function canBeRead(
  { partsmith, io }: Pick<Workspace, 'partsmith' | 'io'>,
  table: TableName,
): Promise<boolean> {
  try {
    await partsmith.metadata.readTree(table, { signal: io.signal })
    return true
  } catch {
    return false
  }
}
