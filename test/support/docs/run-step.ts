import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { parseDocument } from 'yaml'
import { inspectConfig } from './inspect-config.ts'
import { inspectScheduled, inspectScripts } from './referenced-commands.ts'
import type { Step } from './steps.ts'
import { formatTable } from './table-text.ts'
import type { CommandOutcome, Workspace } from './workspace.ts'
import { repository } from './workspace.ts'

export interface StepSurroundings {
  readonly workspace: Workspace
  /** Runs the statements of a text one by one, in one session of the page's database. */
  readonly sql: (text: string) => Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Compares what the page shows with what came out. */
  readonly compareOutput: (shown: { readonly text: string; readonly line: number }, actual: string) => void
}

/** Does what the step says and compares what comes out with what the page shows. */
export async function expectStep(step: Step, surroundings: StepSurroundings): Promise<void> {
  const { workspace, sql, compareOutput } = surroundings
  const compare = ({ exitCode, output }: CommandOutcome, expected: number): void => {
    expect(exitCode, `It ended with exit code ${exitCode} and said:\n${output}`).toBe(expected)
    if (step.output !== undefined) compareOutput(step.output, output)
  }
  switch (step.kind) {
    case 'bash': {
      compare(await workspace.bash(step.text), step.exitCode)
      return
    }
    case 'program': {
      await workspace.write(step.name, step.text)
      compare(await workspace.program(step.name), 0)
      return
    }
    case 'sql': {
      const rows = await sql(step.text)
      if (step.output !== undefined) compareOutput(step.output, formatTable(rows))
      return
    }
    case 'file': {
      await workspace.write(step.name, step.text)
      const format = /partsmith\.config\.(?<format>yaml|json|ts)$/.exec(step.name)?.groups?.['format']
      if (format === 'yaml' || format === 'json' || format === 'ts')
        await inspectConfig(step.text, format, workspace)
      else if (step.name.endsWith('.yaml')) expect(parseDocument(step.text).errors).toEqual([])
      return
    }
    case 'config':
      return inspectConfig(step.text, step.format, workspace)
    case 'scheduled':
      return inspectScheduled(step.text, step.format, workspace)
    case 'quote':
      expect(await readFile(join(repository, step.file), 'utf8')).toContain(step.text)
      return
    case 'scripts':
      return inspectScripts(step.text)
  }
}
