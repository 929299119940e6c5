import type { CommandSpec } from './command-spec.ts'
import { adoptCommand } from './commands/adopt.ts'
import { applyCommand } from './commands/apply.ts'
import { demoCommand } from './commands/demo.ts'
import { ensureCommand } from './commands/ensure.ts'
import { grantsCommand } from './commands/grants.ts'
import { initCommand } from './commands/init.ts'
import { inspectCommand } from './commands/inspect.ts'
import { maintainCommand } from './commands/maintain.ts'
import { planCommand } from './commands/plan.ts'
import { reattachCommand } from './commands/reattach.ts'
import { schemaCommand } from './commands/schema.ts'
import { validateCommand } from './commands/validate.ts'

/** Every command, in the order in which one meets them. */
export const commandTree: readonly CommandSpec[] = [
  demoCommand,
  initCommand,
  validateCommand,
  inspectCommand,
  planCommand,
  applyCommand,
  maintainCommand,
  ensureCommand,
  adoptCommand,
  reattachCommand,
  grantsCommand,
  schemaCommand,
]

export const programDescription =
  'Creates the partitions of time-partitioned PostgreSQL tables ahead of time, detaches the expired ones and drops what it detached.'

export const programExamples: CommandSpec['examples'] = [
  { line: 'pg-partsmith demo', what: 'see all of it on a throw-away server' },
  {
    line: 'pg-partsmith init --url postgres://user@host/db',
    what: 'write a configuration from what is there',
  },
  { line: 'pg-partsmith plan', what: 'what is due; changes nothing' },
  { line: 'pg-partsmith maintain --allow-destructive', what: 'do it, from cron' },
]
