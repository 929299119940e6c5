import type { PartsmithConfig } from './policy/options.ts'

export type {
  CommandHookOptions,
  ConfiguredTable,
  ConnectionOptions,
  HookPhase,
  PartsmithConfig,
  RuntimeOptions,
  SharedTableOptions,
} from './policy/options.ts'

/**
 * Gives a configuration back as it is, with its type: editors complete and check `partsmith.config.ts` through it.
 *
 * Checks nothing at run time; the command line does when it loads the file.
 */
export function defineConfig(config: PartsmithConfig): PartsmithConfig {
  return config
}
