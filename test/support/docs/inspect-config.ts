import { loadConfigFile } from '../../../src/cli/config-file.ts'
import type { Workspace } from './workspace.ts'

let count = 0

/** A configuration in a page is one that the product accepts, as a whole. Throws what the product says. */
export async function inspectConfig(
  text: string,
  format: 'yaml' | 'json' | 'ts',
  workspace: Workspace,
): Promise<void> {
  const file = `shown-${++count}.${format}`
  await workspace.write(file, text)
  await loadConfigFile({ file, cwd: workspace.directory })
}
