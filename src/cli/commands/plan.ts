import {
  type FleetPlan,
  formatTableName,
  isDestructive,
  type MaintenancePlan,
  type PlanBlockers,
  sqlComment,
} from '../../index.ts'
import { CommandError } from '../command-error.ts'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec, GivenOptions } from '../command-spec.ts'
import { databaseText } from '../database-identity.ts'
import { eachTable, lookAtFleet } from '../each-table.ts'
import { type ExitCode, worstOf } from '../exit-code.ts'
import { exitCodeOfFindings } from '../failure-code.ts'
import { planAsData, writePlanFile } from '../plan-file.ts'
import type { RunBudget } from '../render/lock-words.ts'
import { renderPlan, summarizePlans } from '../render/plan.ts'
import { counted } from '../render/quantities.ts'
import type { CommandReport, TableReport } from '../report.ts'
import { type TableOptions, tableOptions, tableOptionsOf } from '../table-options.ts'
import { withWorkspace, type Workspace } from '../workspace.ts'
import { checkWritable } from '../written-file.ts'

export interface PlanCommandOptions {
  /** Ends with 2 where something is pending. */
  readonly check: boolean
  /** Prints the statements in place of the plan. */
  readonly sql: boolean
  readonly locks: boolean
  /** Where the plans are saved for `apply --plan`. */
  readonly save: string | undefined
}

/** Plans every table of the workspace; changes nothing in the database. */
export async function planTables(workspace: Workspace, options: PlanCommandOptions): Promise<CommandReport> {
  const { io, partsmith } = workspace
  const plans: MaintenancePlan[] = []
  const texts: string[] = []
  let needsFlag = false
  const looked = await lookAtFleet(workspace, async (configs, read): Promise<readonly Looked[]> => {
    const planned = await partsmith.planFleet(configs, read)
    return options.locks ? withBlockers(workspace, planned) : planned
  })
  const tables = await eachTable(workspace, 'planning', async (table): Promise<TableReport> => {
    const { config } = table
    const { plan, blockers, budget } = looked(config)
    const sql = options.sql
      ? await partsmith.service.renderSql(config, plan, { signal: io.signal })
      : undefined
    plans.push(plan)
    if (plan.operations.some(isDestructive) && !table.allowDestructive) needsFlag = true
    if (sql !== undefined) texts.push(sqlSection(plan, sql))
    return {
      table: config.table,
      exitCode: worstOf([
        exitCodeOfFindings(plan.findings),
        options.check && plan.operations.length > 0 ? 2 : 0,
      ]),
      lines: (page) =>
        renderPlan({ ...table, plan, ...(blockers && { blockers }), ...(budget && { budget }) }, page, {
          locks: options.locks,
        }),
      fields: {
        plan: planAsData(plan),
        // Beside the plan and not in it: it changes by the second, and a plan is carried out as it was saved.
        ...(blockers && { blockers: { operations: blockers.operations, advice: blockers.advice } }),
        ...(sql !== undefined && { sql }),
      },
      observed: { table: config.table, up: true, plan },
    }
  })
  const saved = options.save === undefined ? undefined : await savePlans(options.save, plans, io)
  return {
    command: 'plan',
    tables,
    closing: closingOf({ plans, failed: tables.length - plans.length, saved, needsFlag }),
    ...(options.sql && { text: [`-- ${databaseText(workspace.database)}\n`, ...texts].join('\n') }),
  }
}

type Looked = FleetPlan & { readonly blockers?: PlanBlockers; readonly budget?: RunBudget }

/** Who is in the way now, read once for all tables. */
async function withBlockers(
  { partsmith, io }: Workspace,
  planned: readonly FleetPlan[],
): Promise<readonly Looked[]> {
  const plans = planned.flatMap((answer) => ('plan' in answer ? [answer.plan] : []))
  const seen = await partsmith.service.blockersOf(plans, { signal: io.signal })
  const budget = await budgetOf(partsmith, plans, io.signal)
  const ofPlan = new Map(plans.map((plan, index) => [plan, seen[index]]))
  return planned.map((answer) => {
    const blockers = 'plan' in answer ? ofPlan.get(answer.plan) : undefined
    return blockers ? { ...answer, blockers, ...(budget && { budget }) } : answer
  })
}

/** The server of one table is that of all. */
async function budgetOf(
  { repo, metadata }: Workspace['partsmith'],
  [first]: readonly MaintenancePlan[],
  signal: AbortSignal,
): Promise<RunBudget | undefined> {
  if (!first) return undefined
  const { server } = await metadata.readTree(first.table, { signal })
  return { budget: repo.budget, deadlockTimeoutMs: server.deadlockTimeoutMs }
}

function closingOf(about: {
  readonly plans: readonly MaintenancePlan[]
  readonly failed: number
  readonly saved: string | undefined
  readonly needsFlag: boolean
}): string {
  const { plans, failed, saved, needsFlag } = about
  const pending = plans.some(({ operations }) => operations.some(({ kind }) => kind === 'finalize'))
  return [
    ...(plans.length > 0 ? [summarizePlans(plans)] : []),
    ...(pending
      ? [
          'What else has expired is planned once the pending detach is finished: `maintain` and `apply` go on to it, after `apply --plan` plan again.',
        ]
      : []),
    ...(failed > 0 ? [`${counted(failed, 'table')} could not be planned.`] : []),
    'Nothing was changed.',
    ...(saved === undefined
      ? []
      : [`Saved to ${saved}; carry it out with \`${applyLine(saved, needsFlag)}\`.`]),
  ].join(' ')
}

/** With the flag where a table needs it: carried out in part, a plan cannot be carried out again. */
function applyLine(file: string, needsFlag: boolean): string {
  return `pg-partsmith apply --plan ${file}${needsFlag ? ' --allow-destructive' : ''}`
}

/** Without a plan there is no file: an old one must not be taken for the new one. */
async function savePlans(
  file: string,
  plans: readonly MaintenancePlan[],
  io: CommandIo,
): Promise<string | undefined> {
  if (plans.length === 0) return undefined
  await writePlanFile(file, plans, io.cwd)
  return file
}

function sqlSection(plan: MaintenancePlan, sql: string): string {
  const head = [
    `${formatTableName(plan.table)}: ${counted(plan.operations.length, 'operation')}, planned at ${plan.plannedAt}`,
    ...plan.findings.map(({ severity, message, next }) => `${severity}: ${message} ${next}`),
  ]
  return `${head.map(sqlComment).join('\n')}\n\n${sql}`
}

/** Runs the command as the shell does. */
export async function runPlan(
  table: TableOptions,
  options: PlanCommandOptions,
  io: CommandIo,
): Promise<ExitCode> {
  if ((options.sql || options.locks) && table.output === 'metrics') {
    const flag = options.sql ? '--sql' : '--locks'
    throw new CommandError(`${flag} goes with --output human or json, not with metrics.`, {
      exitCode: 64,
      code: 'usage',
    })
  }
  if (options.sql && options.locks) {
    throw new CommandError('--locks does not go with --sql: statements are printed in place of the plan.', {
      exitCode: 64,
      code: 'usage',
    })
  }
  return withWorkspace(
    {
      command: 'plan',
      options: table,
      io,
      check: async () => {
        if (options.save !== undefined) await checkWritable(options.save, io.cwd)
      },
    },
    (workspace) => planTables(workspace, options),
  )
}

export const planCommand: CommandSpec = {
  name: 'plan',
  summary: 'Show what is due, and change nothing.',
  description:
    'Reads the catalog and decides what is due for every table: what would be created, detached and dropped, why, and what it costs. Takes no lock that anybody notices and changes nothing.',
  options: [
    ...tableOptions,
    {
      flags: '--check',
      description: 'Exits with 2 where anything is pending, for pipelines and monitoring.',
    },
    {
      flags: '--save <file>',
      description: 'Saves the plans, to be reviewed and carried out later by `apply --plan`.',
    },
    {
      flags: '--sql',
      description:
        'Prints the statements that `apply` would send, to be read: its first lines keep it from being run.',
    },
    {
      flags: '--locks',
      description:
        'Shows for every operation which locks it takes, what they block, and who is in the way now; in JSON the last are in `blockers`, beside the plan.',
    },
  ],
  examples: [
    { line: 'pg-partsmith plan', what: 'what is due, for all tables of the configuration' },
    { line: 'pg-partsmith plan --table app.events --locks', what: 'one table, with what each step blocks' },
    { line: 'pg-partsmith plan --check', what: 'in a pipeline: exit code 2 means that something is pending' },
    {
      line: 'pg-partsmith plan --save plan.json',
      what: 'to be reviewed, then `pg-partsmith apply --plan plan.json`',
    },
    { line: 'pg-partsmith plan --sql > review.sql', what: 'the statements, for a reviewer to read' },
  ],
  exitCodes: [0, 2, 3, 4, 5],
  meanings: {
    0: 'Planned, and nobody is needed; without --check also where something is pending.',
    2: 'Something is pending (--check).',
  },
  run: (given: GivenOptions, io) =>
    runPlan(
      tableOptionsOf(given),
      {
        check: given.flag('check'),
        sql: given.flag('sql'),
        locks: given.flag('locks'),
        save: given.text('save'),
      },
      io,
    ),
}
