import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { parseAllDocuments } from 'yaml'
import type { Workspace } from './workspace.ts'
import { repository } from './workspace.ts'

interface Manifest {
  readonly name: string
  readonly scripts: Readonly<Record<string, string>>
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

/** Every line is an npm command whose script or package this repository has. */
export function inspectScripts(text: string): void {
  const manifest: Manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'))
  const packages = [
    manifest.name,
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.devDependencies),
    ...Object.keys(manifest.peerDependencies),
  ]
  for (const command of text.split(/&&|\n/).map((line) => line.replace(/#.*/, '').trim())) {
    if (command === '' || command === 'npm ci') continue
    const words = command.split(/\s+/)
    const install = /^npm install\b/.test(command)
    const script = words[1] === 'run' ? words[2] : words[1]
    const found = install
      ? words.slice(2).every((name) => name.startsWith('-') || packages.includes(name))
      : words[0] === 'npm' && script !== undefined && script in manifest.scripts
    expect(found, `"${command}" is no command of this repository.`).toBe(true)
  }
}

/** Every command line in a unit, a crontab, a manifest or a list of examples calls a command that there is, with flags that it has. */
export async function inspectScheduled(
  text: string,
  format: 'kubernetes' | 'systemd' | 'cron' | 'usage',
  workspace: Workspace,
): Promise<void> {
  const lines = { kubernetes: fromKubernetes, systemd: fromSystemd, cron: fromCron, usage: fromUsage }[
    format
  ](text)
  for (const words of lines) {
    const [program, command = '', ...rest] = words
    expect(program, `"${words.join(' ')}" does not call pg-partsmith.`).toMatch(/(?:^|\/)pg-partsmith$/)
    const help = await helpOf(command, workspace)
    for (const flag of rest.filter((word) => word.startsWith('-') && word !== '-'))
      expect(help, `pg-partsmith ${command} has no ${flag}.`).toContain(flag.replace(/=.*/, ''))
  }
}

const helpTexts = new Map<string, Promise<string>>()

/** What the built command says about one of its commands; asked once. */
function helpOf(command: string, workspace: Workspace): Promise<string> {
  const known = helpTexts.get(command)
  if (known !== undefined) return known
  const asked = workspace.bash(`pg-partsmith ${command} --help`).then(({ exitCode, output }) => {
    expect(exitCode, output).toBe(0)
    expect(output).toContain(`pg-partsmith ${command}`)
    return output
  })
  helpTexts.set(command, asked)
  return asked
}

interface KubernetesDocument {
  readonly apiVersion?: string
  readonly kind?: string
  readonly spec?: {
    readonly schedule?: string
    readonly jobTemplate?: { readonly spec: { readonly template: { readonly spec: PodSpec } } }
  }
}

interface PodSpec {
  readonly containers: readonly { readonly command?: readonly string[]; readonly args?: readonly string[] }[]
}

function fromKubernetes(text: string): readonly (readonly string[])[] {
  const documents = parseAllDocuments(text).map((document) => {
    expect(document.errors).toEqual([])
    const value: KubernetesDocument = document.toJS()
    return value
  })
  for (const { apiVersion, kind } of documents) expect([apiVersion, kind]).not.toContain(undefined)
  return documents.flatMap(({ spec }) => {
    if (spec?.schedule === undefined) return []
    expectSchedule(spec.schedule)
    const containers = spec.jobTemplate?.spec.template.spec.containers ?? []
    return containers.map(({ command = [], args = [] }) => [...command, ...args])
  })
}

function fromSystemd(text: string): readonly (readonly string[])[] {
  for (const line of text.split('\n'))
    expect(line, 'This is no line of a unit file.').toMatch(/^(?:\[[A-Z][A-Za-z]*\]|[A-Z][A-Za-z]*=.+|#.*|)$/)
  return [...text.matchAll(/^ExecStart=(?<command>.+)$/gm)].map((match) => wordsOf(match.groups?.['command']))
}

function fromCron(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !/^[A-Z_]+=/.test(line))
    .map((line) => {
      const fields = line.split(/\s+/)
      expectSchedule(fields.slice(0, 5).join(' '))
      return fields.slice(5)
    })
}

/** Lines that show how a command is called; what they are piped into is not looked at. */
function fromUsage(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => wordsOf(line.split(/ [|>] /)[0]))
}

function expectSchedule(schedule: string): void {
  expect(schedule, 'This is no schedule of cron.').toMatch(/^(?:[\d*,/-]+ ){4}[\d*,/-]+$/)
}

function wordsOf(command: string | undefined): readonly string[] {
  return (command ?? '').split(/\s+/)
}
