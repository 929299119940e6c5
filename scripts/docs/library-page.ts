import { readFileSync } from 'node:fs'
import { declarationsIn, membersIn, methodsIn, type DocumentedMethod } from './docstrings.ts'
import { type GeneratedPage, page, table } from './page.ts'

/** What a part of the library is more about than its own sentence says. */
const guides: Readonly<Record<string, string>> = {
  pool: '[Connection](../guides/connection.md), [Poolers](../guides/poolers.md)',
  locks: '[Locks](../guides/locks.md)',
  ddlTimezone: '[Time zones and keys](../guides/time-zones-and-keys.md)',
  lockTimeoutMs: '[Locks](../guides/locks.md)',
  periodCalculator: '[Calendars](../guides/calendars.md)',
  hooks: '[Hooks](../guides/hooks.md)',
  logger: '[Observability](../guides/observability.md)',
  inspect: '[Observability](../guides/observability.md)',
  plan: '[Review plans](../guides/review-plans.md)',
  apply: '[Review plans](../guides/review-plans.md)',
  maintain: '[Schedule it](../guides/schedule-it.md)',
  planFleet: '[Many tables](../guides/many-tables.md)',
  inspectFleet: '[Many tables](../guides/many-tables.md)',
  maintainFleet: '[Many tables](../guides/many-tables.md)',
  ensurePartition: '[Create ahead](../guides/create-ahead.md#one-more-now)',
  adoptPartition: '[Adopt existing tables](../guides/adopt-existing-tables.md)',
  reattachPartition: '[Detach and drop](../guides/detach-and-drop.md#undo-a-detach)',
  renderSql: '[Review plans](../guides/review-plans.md)',
  blockersOf: '[What each operation locks](../explanation/what-each-operation-locks.md)',
  runMaintenanceSafe: '[Schedule it](../guides/schedule-it.md)',
}

/** The functions of the library, from the sentences that an editor shows. */
export function libraryPage(): GeneratedPage {
  const [wiring, service, maintainer] = ['partsmith', 'service', 'maintainer'].map(sourceOf)
  const wired = new Set(membersOf('partsmith', 'Partsmith').map(({ name }) => name))
  const ofService = methodsIn(service ?? '')
  const ofMaintainer = methodsIn(maintainer ?? '')
  const calls = [...ofService, ...ofMaintainer].filter(({ name }) => wired.has(name))
  const more = ofService.filter(({ name }) => !wired.has(name))
  const doc = /\/\*\* (?<doc>[^\n]+) \*\/\nexport function createPartsmith/.exec(wiring ?? '')?.groups?.[
    'doc'
  ]
  return page('docs/reference/library.md', [
    '# Library',
    '',
    'What `pg-partsmith` exports to be called. The types say the rest, in your editor. A `config` is what',
    '[Options](options.md) lists for one table, as an object or as a `TablePartitionConfig`; what is thrown has a',
    '[code](errors.md), and a result has [findings](findings.md) and [operations](operations.md).',
    '',
    '## createPartsmith',
    '',
    doc ?? '',
    '',
    ...membersTable('partsmith', 'PartsmithOptions'),
    'It gives `service`, `maintainer`, `repo`, `metadata` and `locks`, each of which',
    '[can be your own](../../examples/03-own-parts/README.md), and these functions:',
    '',
    ...callsTable(calls),
    '## service',
    '',
    'A `PartitionLifecycleService` has those functions but `maintainFleet`, and besides:',
    '',
    ...callsTable(more),
    '## maintainer',
    '',
    'A `PartitionMaintainer` is for schedulers. `maintainPartitions({ maintainer, config, options })` is its',
    '`runMaintenanceSafe` as a plain function.',
    '',
    ...callsTable(ofMaintainer),
    '## Options of a call',
    '',
    'One that does not exist, or is of another kind, is an `InvalidPartitionConfigError`, and nothing was changed.',
    '',
    '`inspect`, `plan`, `ensurePartition`, `adoptPartition`, `reattachPartition` and those that only look:',
    '',
    ...membersTable('table-planner', 'PlanOptions'),
    '`apply`, `maintain` and those that run, besides:',
    '',
    ...membersTable('run-outcome', 'ApplyOptions'),
    '`maintainFleet` and `runFleet`, besides:',
    '',
    ...membersTable('fleet', 'FleetOptions'),
    'Each of their targets:',
    '',
    ...membersTable('fleet', 'FleetTarget'),
  ])
}

function sourceOf(name: string): string {
  return readFileSync(new URL(`../../src/run/${name}.ts`, import.meta.url), 'utf8')
}

function membersOf(file: string, name: string): ReturnType<typeof membersIn> {
  const found = declarationsIn(sourceOf(file)).find((each) => each.name === name)
  if (found === undefined) throw new Error(`src/run/${file}.ts has no ${name}.`)
  return membersIn(found.body)
}

function membersTable(file: string, name: string): readonly string[] {
  return table(
    ['Option', 'Type', 'Default', 'Meaning'],
    membersOf(file, name).map((member) => {
      if (member.doc === '') throw new Error(`${name}.${member.name} has no sentence.`)
      return [
        `\`${member.name}\``,
        `\`${member.type}\``,
        member.otherwise ?? (member.isOptional ? '' : 'required'),
        withGuide(member.name, member.doc),
      ]
    }),
  )
}

function callsTable(methods: readonly DocumentedMethod[]): readonly string[] {
  return table(
    ['Call', 'Gives', 'What it does'],
    methods.map(({ name, parameters, gives, doc }) => [
      `\`${name}(${parameters.join(', ')})\``,
      `\`${gives}\``,
      withGuide(name, doc),
    ]),
  )
}

function withGuide(name: string, doc: string): string {
  const guide = guides[name]
  return guide === undefined ? doc : `${doc} ${guide}`
}
