/** Reads what the tests need of a Markdown page: its code blocks, its anchors, its links. */

/** A fenced block, or the content of a comment that begins with `hidden LANGUAGE`. */
export interface CodeBlock {
  readonly language: string
  readonly text: string
  /** The line of the fence, counted from 1. */
  readonly line: number
  /** What a comment `<!-- doc: .. -->` right above the fence says, split at semicolons. */
  readonly directives: readonly string[]
  readonly hidden: boolean
}

export interface Link {
  readonly target: string
  readonly line: number
}

export interface MarkdownPage {
  /** Relative to the repository, with slashes. */
  readonly path: string
  readonly blocks: readonly CodeBlock[]
  /** What a link may name behind `#`, as GitHub makes it from the headings. */
  readonly anchors: ReadonlySet<string>
  readonly links: readonly Link[]
}

const fence = /^(?<indent>\s*)(?<ticks>`{3,})\s*(?<language>\S*)\s*$/

/** Parses a page; throws for a fence or a comment that is not closed. */
export function parseMarkdown(path: string, source: string): MarkdownPage {
  const lines = source.split('\n')
  const blocks: CodeBlock[] = []
  const prose: { readonly text: string; readonly line: number }[] = []
  let directives: readonly string[] = []
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    const opening = fence.exec(line)?.groups
    if (opening) {
      const end = closing(lines, index, (text) => text.trim() === opening['ticks'])
      if (end < 0) throw new Error(`${path}:${index + 1}: this fence is not closed.`)
      const indent = (opening['indent'] ?? '').length
      const text = lines.slice(index + 1, end).map((inner) => inner.slice(Math.min(indent, indentOf(inner))))
      const language = opening['language'] ?? ''
      blocks.push({ language, text: `${text.join('\n')}\n`, line: index + 1, directives, hidden: false })
      directives = []
      index = end
    } else if (line.trimStart().startsWith('<!--')) {
      const end = closing(lines, index - 1, (text) => text.includes('-->'))
      if (end < 0) throw new Error(`${path}:${index + 1}: this comment is not closed.`)
      const comment = readComment(lines.slice(index, end + 1).join('\n'))
      if (comment.hidden) blocks.push({ ...comment.hidden, line: index + 1, directives, hidden: true })
      directives = comment.hidden ? [] : comment.directives
      index = end
    } else {
      if (line.trim() !== '') directives = []
      prose.push({ text: line, line: index + 1 })
    }
  }
  return { path, blocks, anchors: anchorsOf(prose.map(({ text }) => text)), links: prose.flatMap(linksOf) }
}

function closing(lines: readonly string[], from: number, closes: (text: string) => boolean): number {
  return lines.findIndex((text, index) => index > from && closes(text))
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

interface Comment {
  readonly directives: readonly string[]
  readonly hidden?: { readonly language: string; readonly text: string }
}

function readComment(comment: string): Comment {
  const hidden = /<!-- hidden (?<language>\S+)\n(?<text>[\s\S]*?)-->/.exec(comment)?.groups
  if (hidden) {
    return { directives: [], hidden: { language: hidden['language'] ?? '', text: hidden['text'] ?? '' } }
  }
  const listed = /<!-- doc: (?<list>.*?) -->/.exec(comment)?.groups?.['list'] ?? ''
  return { directives: listed === '' ? [] : listed.split(';').map((directive) => directive.trim()) }
}

function anchorsOf(lines: readonly string[]): ReadonlySet<string> {
  const seen = new Map<string, number>()
  const anchors = new Set<string>()
  for (const line of lines) {
    const heading = /^#{1,6}\s+(?<title>.*?)\s*#*$/.exec(line)?.groups?.['title']
    if (heading === undefined) continue
    const slug = slugOf(heading)
    const before = seen.get(slug) ?? 0
    seen.set(slug, before + 1)
    anchors.add(before === 0 ? slug : `${slug}-${before}`)
  }
  return anchors
}

function slugOf(heading: string): string {
  return heading
    .replaceAll(/\[(?<text>[^\]]*)\]\([^)]*\)/g, '$<text>')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_\- ]/gu, '')
    .replaceAll(' ', '-')
}

function linksOf({ text, line }: { readonly text: string; readonly line: number }): readonly Link[] {
  const withoutCode = text.replaceAll(/`[^`]*`/g, '``')
  return [...withoutCode.matchAll(/\]\((?<target>[^)\s]+)\)/g)].map((match) => ({
    target: match.groups?.['target'] ?? '',
    line,
  }))
}
