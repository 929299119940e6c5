import type { CodeBlock, MarkdownPage } from './markdown.ts'

/** What is done with one block of a page. Every block is done something with, or the page is refused. */
export type Step = StepBase &
  (
    | {
        /** Run by bash, in the folder of the page. */
        readonly kind: 'bash'
        readonly text: string
        readonly exitCode: number
      }
    | {
        /** A TypeScript program. */
        readonly kind: 'program'
        readonly name: string
        readonly text: string
      }
    | { readonly kind: 'sql'; readonly text: string }
    | {
        /** A file that later blocks use; a configuration is parsed by the product, too. */
        readonly kind: 'file'
        readonly name: string
        readonly text: string
      }
    | { readonly kind: 'config'; readonly format: 'yaml' | 'json' | 'ts'; readonly text: string }
    | {
        /** Commands for another machine: what they call must exist, with the flags that they give. */
        readonly kind: 'scheduled'
        readonly format: 'kubernetes' | 'systemd' | 'cron' | 'usage'
        readonly text: string
      }
    | {
        /** A part of a file of this repository, which is run there. */
        readonly kind: 'quote'
        readonly file: string
        readonly text: string
      }
    | {
        /** npm commands of a checkout: the scripts and packages must exist. */
        readonly kind: 'scripts'
        readonly text: string
      }
  )

/** What a block needs besides a database. */
export type Need = 'redis' | 'pgbouncer'

interface StepBase {
  readonly line: number
  /** What the block after it says that it prints, and where that block begins. */
  readonly output?: { readonly text: string; readonly line: number }
  readonly needs: readonly Need[]
}

const needs: readonly Need[] = ['redis', 'pgbouncer']
const known = [
  'continues',
  'file',
  'exit',
  'scripts',
  'output',
  'kubernetes',
  'config',
  'in',
  ...needs.map((need) => `needs ${need}`),
]

/** Says what is done with each block; throws for a block that there is no rule for. */
export function stepsOf(page: MarkdownPage): readonly Step[] {
  const steps: Step[] = []
  for (const block of page.blocks) {
    const at = `${page.path}:${block.line}`
    for (const directive of block.directives) {
      if (!known.some((word) => directive === word || directive.startsWith(`${word} `)))
        throw new Error(`${at}: there is no directive "${directive}"; there are ${known.join(', ')}.`)
    }
    const last = steps.at(-1)
    if (isOutput(block)) {
      if (!last || !printsSomething(last) || last.output !== undefined)
        throw new Error(`${at}: this block shows an output, and no command or program stands before it.`)
      steps[steps.length - 1] = { ...last, output: { text: block.text, line: block.line } }
    } else if (block.directives.includes('continues')) {
      if (last?.kind !== 'program' || block.language !== 'ts')
        throw new Error(`${at}: this block continues a program, and none stands before it.`)
      if (last.output !== undefined)
        throw new Error(`${at}: the program before this block has shown its output already.`)
      steps[steps.length - 1] = { ...last, text: `${last.text}\n${block.text}` }
    } else {
      steps.push({ ...stepOf(block, at), line: block.line, needs: needsOf(block) })
    }
  }
  return steps
}

function isOutput({ language, directives }: CodeBlock): boolean {
  return language === 'text' || directives.includes('output')
}

function printsSomething({ kind }: Step): boolean {
  return kind === 'bash' || kind === 'program' || kind === 'sql'
}

function needsOf({ directives }: CodeBlock): Step['needs'] {
  return needs.filter((need) => directives.includes(`needs ${need}`))
}

type Bare<T> = T extends Step ? Omit<T, keyof StepBase> : never

function stepOf({ language, text, directives, line }: CodeBlock, at: string): Bare<Step> {
  const argument = (word: string): string | undefined =>
    directives.find((directive) => directive.startsWith(`${word} `))?.slice(word.length + 1)
  const file = argument('file')
  if (file !== undefined) return { kind: 'file', name: file, text }
  const quoted = argument('in')
  if (quoted !== undefined) return { kind: 'quote', file: quoted, text }
  switch (language) {
    case 'bash':
      return directives.includes('scripts')
        ? { kind: 'scripts', text }
        : { kind: 'bash', text, exitCode: Number(argument('exit') ?? 0) }
    case 'ts':
      return directives.includes('config')
        ? { kind: 'config', format: 'ts', text }
        : { kind: 'program', name: `block-${line}.ts`, text }
    case 'sql':
      return { kind: 'sql', text }
    case 'yaml':
      return directives.includes('kubernetes')
        ? { kind: 'scheduled', format: 'kubernetes', text }
        : { kind: 'config', format: 'yaml', text }
    case 'json':
      return { kind: 'config', format: 'json', text }
    case 'ini':
      return { kind: 'scheduled', format: 'systemd', text }
    case 'cron':
      return { kind: 'scheduled', format: 'cron', text }
    case 'sh':
      return { kind: 'scheduled', format: 'usage', text }
    default:
      throw new Error(
        `${at}: there is no rule for a block in ${language === '' ? 'no language' : `the language "${language}"`}, so it would never be tried.`,
      )
  }
}
