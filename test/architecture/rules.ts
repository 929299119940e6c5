import path from 'node:path'

export interface SourceFile {
  /** Relative to `src`, with slashes. */
  readonly path: string
  readonly text: string
}

export interface Rule {
  readonly name: string
  /** Why the rule exists; shown when it is broken. */
  readonly because: string
  /** What is wrong with the file; empty when nothing is. */
  check(file: SourceFile): readonly string[]
  /** A file that breaks the rule, to show that it is noticed. */
  readonly broken: SourceFile
}

/** A folder may import itself and every folder to its left. */
const order = ['errors', 'model', 'policy', 'plan', 'sql', 'run', 'index', 'cli']
const pure = ['errors', 'model', 'policy', 'plan', 'sql']

/** What pure code may import besides its own: a date library, a validation library, a hash. */
const allowedInPure: Readonly<Record<string, readonly string[]>> = {
  model: ['temporal-polyfill', 'node:crypto'],
  policy: ['zod'],
  plan: ['node:crypto'],
  sql: ['node:crypto'],
}

export const rules: readonly Rule[] = [
  {
    name: 'imports point to the left',
    because: `The folders are ordered ${order.join(' <- ')}: what decides must not know what does, and the command line proves the public API by using nothing else.`,
    check: (file) =>
      importsOf(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => path.posix.join(path.posix.dirname(file.path), target))
        .filter((target) => !mayImport(file.path, target))
        .map((target) => `imports ${target}`),
    broken: { path: 'plan/a.ts', text: "import { b } from '../run/b.ts'" },
  },
  {
    name: 'deciding code imports no outside package',
    because: 'Everything left of run is pure; a package that does I/O or reads a clock would end that.',
    check: (file) =>
      isPure(file)
        ? importsOf(file)
            .filter((target) => !target.startsWith('.'))
            .filter((target) => !(allowedInPure[layerOf(file.path)] ?? []).includes(target))
            .map((target) => `imports ${target}`)
        : [],
    broken: { path: 'plan/a.ts', text: "import pg from 'pg'" },
  },
  {
    name: 'deciding code does not wait, look at a clock, roll dice, or touch the process',
    because: 'The same input must give the same plan, byte for byte; time and the world are arguments.',
    check: (file) => (isPure(file) ? impurities(code(file)) : []),
    broken: { path: 'plan/a.ts', text: 'export const now = Date.now()' },
  },
  {
    name: 'nothing is exported as default',
    because: 'A name that every importer chooses anew cannot be searched for.',
    check: (file) => (/^export default /m.test(code(file)) ? ['has a default export'] : []),
    broken: { path: 'plan/a.ts', text: 'export default 1' },
  },
  {
    name: 'no file is longer than 400 lines',
    because: 'A file answers one question. At 300 lines think; at 400 it answers two.',
    check: (file) => {
      const lines = file.text.split('\n').length - 1
      return lines > 400 ? [`has ${lines} lines`] : []
    },
    broken: { path: 'plan/a.ts', text: '\n'.repeat(401) },
  },
  {
    name: 'no file is a grab-bag',
    because: 'utils, helpers, common and types name no question, so anything ends up in them.',
    check: (file) =>
      /(^|\/)(utils?|helpers?|common|misc|types|shared)(\/|\.ts$)/.test(file.path) ? ['is a grab-bag'] : [],
    broken: { path: 'plan/utils.ts', text: '' },
  },
  {
    name: 'the library does not print',
    because:
      'A library that writes to its user’s terminal unasked cannot be used in a service. It has a logger.',
    check: (file) => (layerOf(file.path) !== 'cli' && /\bconsole\./.test(code(file)) ? ['uses console'] : []),
    broken: { path: 'run/a.ts', text: 'console.log(1)' },
  },
  {
    name: 'decisions rest on codes, not on the text of messages',
    because:
      'Messages are worded anew and translated by the server’s lc_messages; SQLSTATEs and codes are not.',
    check: (file) =>
      /\bmessage\s*\.\s*(includes|match|startsWith|endsWith|search)\(|\.test\(\s*\w*\.?message\b/.test(
        code(file),
      )
        ? ['looks at the text of a message']
        : [],
    broken: { path: 'run/a.ts', text: "if (error.message.includes('deadlock')) retry()" },
  },
  {
    name: 'the quoting of names and values is in one file',
    because: 'A quote that is written by hand is a quote that is forgotten elsewhere.',
    check: (file) =>
      !['model/quote.ts'].includes(file.path) &&
      /replaceAll\(\s*["'`]'["'`]\s*,\s*["'`]''["'`]\s*\)/.test(code(file))
        ? ['doubles quotes itself']
        : [],
    broken: { path: 'run/a.ts', text: `text.replaceAll("'", "''")` },
  },
]

export function importsOf({ text }: SourceFile): readonly string[] {
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'"\n;]*?(?:\{[^}]*\}[^'"\n;]*?)?from\s*['"]([^'"]+)['"]|(?:^|\n)\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g,
  )
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** The files of one cycle, or none. */
export function findCycle(files: readonly SourceFile[]): readonly string[] {
  const targets = new Map(
    files.map((file) => [
      file.path,
      importsOf(file)
        .filter((target) => target.startsWith('.'))
        .map((target) => path.posix.join(path.posix.dirname(file.path), target)),
    ]),
  )
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): readonly string[] => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file]
    if (done.has(file)) return []
    for (const target of targets.get(file) ?? []) {
      const cycle = visit(target, [...trail, file])
      if (cycle.length > 0) return cycle
    }
    done.add(file)
    return []
  }
  for (const file of targets.keys()) {
    const cycle = visit(file, [])
    if (cycle.length > 0) return cycle
  }
  return []
}

/** `config.ts` and `testing.ts` are doors like `index.ts`: they re-export, and nothing of the library imports them. */
function layerOf(file: string): string {
  const first = file.split('/')[0] ?? ''
  if (['index.ts', 'config.ts', 'testing.ts'].includes(file)) return 'index'
  return first.replace(/\.ts$/, '')
}

function mayImport(from: string, target: string): boolean {
  const layer = layerOf(from)
  if (layer === 'cli') return layerOf(target) === 'cli' || target === 'index.ts'
  const own = order.indexOf(layer)
  const other = order.indexOf(layerOf(target))
  return own >= 0 && other >= 0 && other <= own
}

function isPure(file: SourceFile): boolean {
  return pure.includes(layerOf(file.path))
}

const forbidden: readonly (readonly [RegExp, string])[] = [
  [/\bawait\b/, 'await'],
  [/\basync\b/, 'async'],
  [/\bDate\.now\b/, 'Date.now'],
  [/\bnew Date\(\s*\)/, 'new Date()'],
  [/\bperformance\./, 'performance'],
  [/\bMath\.random\b/, 'Math.random'],
  [/\brandomUUID\b|\brandomBytes\b/, 'randomness'],
  [/\bprocess\./, 'process'],
  [/\bconsole\./, 'console'],
  [/\bsetTimeout\b|\bsetInterval\b/, 'a timer'],
  [/\bTemporal\.Now\b/, 'Temporal.Now'],
]

function impurities(text: string): readonly string[] {
  return forbidden.flatMap(([pattern, name]) => (pattern.test(text) ? [`uses ${name}`] : []))
}

/** The text without comments, string contents and template texts, where words like "await" are only words. */
function code({ text }: SourceFile): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, '')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/\s\/\/ .*$/gm, '')
}
