import { readFileSync } from 'node:fs'
import { cliReference } from '../../src/cli/reference.ts'
import { exitCodeOfError } from '../../src/cli/failure-code.ts'
import { findingCatalog, optionReference, PartitionError, type PartitionErrorCode } from '../../src/index.ts'
import { declarationsIn } from './docstrings.ts'
import { type GeneratedPage, page, table } from './page.ts'

export function optionsPage(): GeneratedPage {
  return page('docs/reference/options.md', [
    '# Options',
    '',
    'The options of a configuration file. `TablePartitionConfig` takes those of one table, under the same names.',
    '[Configuration](../guides/configuration.md) explains how the file is found and written.',
    '',
    optionReference(),
  ])
}

export function cliPage(): GeneratedPage {
  return page('docs/reference/cli.md', [cliReference()])
}

export function findingsPage(): GeneratedPage {
  return page('docs/reference/findings.md', [
    '# Findings',
    '',
    'A finding says that something about a table is not as wanted. It is data in the plan, in the result of a run and in',
    'what `inspect` shows, with a sentence about this very table and a next step. It is never thrown.',
    '',
    'With `error` nothing is planned for the table. `warning` means that a person is needed: the commands end with exit',
    'code 3. `info` is good to know and changes no exit code.',
    '',
    ...table(
      ['Finding', 'Severity', 'Meaning'],
      Object.entries(findingCatalog).map(([code, [severity, meaning]]) => [`\`${code}\``, severity, meaning]),
    ),
  ])
}

const codes: readonly PartitionErrorCode[] = [
  'partition-already-exists',
  'partition-not-found',
  'partition-attached',
  'partition-detach-in-progress',
  'partition-referenced',
  'rows-in-default',
  'invalid-config',
  'lock-not-acquired',
  'lock-lost',
  'unmanaged-drop',
  'plan-stale',
  'plan-mismatch',
  'plan-unreadable',
  'refused-by-hook',
  'server-unsupported',
  'connection-failed',
  'aborted',
  'lock-timeout',
  'statement-timeout',
  'access-denied',
  'statement-failed',
  'partition-error',
]

export function errorsPage(): GeneratedPage {
  const source = readFileSync(new URL('../../src/errors.ts', import.meta.url), 'utf8')
  const declared = /type PartitionErrorCode =(?<list>[\s\S]*?)\n\n/.exec(source)?.groups?.['list'] ?? ''
  const missing = [...declared.matchAll(/'(?<code>[a-z-]+)'/g)]
    .map(({ groups }) => groups?.['code'])
    .filter((code) => !codes.some((known) => known === code))
  if (declared === '' || missing.length > 0) throw new Error(`The page lacks ${missing.join(', ')}.`)
  const classes = declarationsIn(source).filter(({ name }) => name.endsWith('Error'))
  const rows = codes.map((code) => {
    const thrown = classes.find(({ body }) => body.includes(`'${code}'`))
    if (thrown === undefined) throw new Error(`No error class has the code ${code}.`)
    const exitCode = exitCodeOfError(new PartitionError('', { code }))
    return [`\`${code}\``, `\`${thrown.name}\``, String(exitCode), thrown.doc]
  })
  return page('docs/reference/errors.md', [
    '# Errors',
    '',
    'Every error that the library throws on purpose is a `PartitionError`. Tell them apart by `code`: it is stable, and',
    'messages are reworded. `cause` is the error behind it, where there is one. An issue in a result and the JSON output of',
    'the command line carry the same codes. The exit code is the one of a command that such an error ended.',
    '',
    ...table(['Code', 'Class', 'Exit code', 'Meaning'], rows),
    '`partition-error` is what has no code of its own, such as a calendar that leaves a gap; the message explains it.',
  ])
}
