import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  formatTableName,
  type MaintenancePlan,
  planFromJson,
  planToJson,
  PlanUnreadableError,
} from '../index.ts'
import { CommandError } from './command-error.ts'
import { writeWhole } from './written-file.ts'

/** The plan as plain data with its checksum, as it stands in a file and in the JSON output. */
export function planAsData(plan: MaintenancePlan): unknown {
  return JSON.parse(planToJson(plan))
}

/** Saves the plans of several tables in the form of `plan --output json`, all or nothing. */
export async function writePlanFile(
  file: string,
  plans: readonly MaintenancePlan[],
  cwd: string,
): Promise<void> {
  const envelope = {
    version: 1,
    command: 'plan',
    generatedAt: new Date().toISOString(),
    tables: plans.map((plan) => ({
      schema: plan.table.schema,
      name: plan.table.name,
      plan: planAsData(plan),
    })),
  }
  await writeWhole(file, `${JSON.stringify(envelope, null, 2)}\n`, cwd)
}

/**
 * Reads what `plan --save` or `plan --output json` wrote, or a single plan from `planToJson`.
 *
 * Throws a `PlanUnreadableError` that names the file when it was cut short, edited, or is something else.
 */
export async function readPlanFile(file: string, cwd: string): Promise<readonly MaintenancePlan[]> {
  const text = await readText(file, cwd)
  try {
    return plansIn(text)
  } catch (error) {
    if (!(error instanceof PlanUnreadableError)) throw error
    throw new PlanUnreadableError(`${file}: ${error.message}`, { cause: error })
  }
}

function plansIn(text: string): readonly MaintenancePlan[] {
  const value = parse(text)
  if (!hasKey(value, 'tables') || !Array.isArray(value.tables)) return [planFromJson(text)]
  if (!hasKey(value, 'version') || value.version !== 1) {
    throw new PlanUnreadableError(
      'The file has a format that this version does not read. Nothing was changed; plan again.',
    )
  }
  const plans = value.tables.flatMap((entry: unknown) =>
    hasKey(entry, 'plan') ? [planFromJson(JSON.stringify(entry.plan))] : [],
  )
  const names = plans.map(({ table }) => formatTableName(table))
  if (plans.length === 0 || new Set(names).size < names.length) {
    throw new PlanUnreadableError(
      `The file holds ${plans.length === 0 ? 'no plan' : 'two plans for one table'}. Nothing was changed; plan again.`,
    )
  }
  return plans
}

/** Undefined where it is no JSON; the reader of single plans has the sentence for that. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

async function readText(file: string, cwd: string): Promise<string> {
  try {
    return await readFile(resolve(cwd, file), 'utf8')
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    const why = missing ? 'it does not exist' : cause instanceof Error ? cause.message : String(cause)
    throw new CommandError(`The plan ${file} cannot be read: ${why}. Nothing was changed.`, {
      exitCode: 4,
      code: 'plan-unreadable',
      cause,
    })
  }
}

function hasKey<Key extends string>(value: unknown, key: Key): value is Readonly<Record<Key, unknown>> {
  return typeof value === 'object' && value !== null && key in value
}
