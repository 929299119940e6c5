import { describe, expect, it } from 'vitest'
import { parseMarkdown } from './markdown.ts'
import { stepsOf } from './steps.ts'

const page = (...lines: readonly string[]): ReturnType<typeof parseMarkdown> =>
  parseMarkdown('page.md', lines.join('\n'))
const steps = (...lines: readonly string[]): ReturnType<typeof stepsOf> => stepsOf(page(...lines))

describe('a page', () => {
  it('has its blocks with their language, line and directives', () => {
    const { blocks } = page('# A', '', '<!-- doc: exit 3; needs redis -->', '', '```bash', 'false', '```')
    expect(blocks).toEqual([
      { language: 'bash', text: 'false\n', line: 5, directives: ['exit 3', 'needs redis'], hidden: false },
    ])
  })

  it('has the blocks that a reader does not see', () => {
    const { blocks } = page('<!-- hidden sql', 'SELECT 1', '-->', '', '```sql', 'SELECT 2', '```')
    expect(blocks.map(({ text, hidden }) => [text, hidden])).toEqual([
      ['SELECT 1\n', true],
      ['SELECT 2\n', false],
    ])
  })

  it('takes the indentation of a list off its blocks', () => {
    expect(page('1. Do:', '   ```sql', '   SELECT', '     1', '   ```').blocks[0]?.text).toBe('SELECT\n  1\n')
  })

  it('forgets a directive that text has come after', () => {
    expect(page('<!-- doc: exit 3 -->', 'text', '```bash', 'true', '```').blocks[0]?.directives).toEqual([])
  })

  it('has the anchors that GitHub gives its headings', () => {
    const { anchors } = page('# `plan --save`: a file', '## Same', '## Same', '## [A link](x.md) & more')
    expect([...anchors]).toEqual(['plan---save-a-file', 'same', 'same-1', 'a-link--more'])
  })

  it('has its links, and none out of code', () => {
    const { links } = page('[a](b.md#c) and `[d](e.md)`', '```text', '[f](g.md)', '```')
    expect(links).toEqual([{ target: 'b.md#c', line: 1 }])
  })

  it('is refused when a fence stays open', () => {
    expect(() => page('```bash', 'true')).toThrow('page.md:1: this fence is not closed.')
  })
})

describe('the steps of a page', () => {
  it('are refused for a language without a rule, and for none', () => {
    expect(() => steps('```python', '1', '```')).toThrow(
      'page.md:1: there is no rule for a block in the language "python"',
    )
    expect(() => steps('```', '1', '```')).toThrow('page.md:1: there is no rule for a block in no language')
  })

  it('are refused for a directive that does not exist', () => {
    expect(() => steps('<!-- doc: skip -->', '```bash', 'true', '```')).toThrow(
      'there is no directive "skip"',
    )
  })

  it('are refused for an output of nothing', () => {
    expect(() => steps('```text', 'a', '```')).toThrow('no command or program stands before it')
    expect(() => steps('```bash', 'a', '```', '```text', 'a', '```', '```text', 'a', '```')).toThrow(
      'no command',
    )
    expect(() => steps('```yaml', 'a: 1', '```', '```text', 'a', '```')).toThrow('no command')
  })

  it('join a command with what it prints', () => {
    expect(steps('```bash', 'echo 1', '```', '```text', '1', '```')).toEqual([
      { kind: 'bash', text: 'echo 1\n', exitCode: 0, line: 1, needs: [], output: { text: '1\n', line: 4 } },
    ])
  })

  it('join a program with what continues it', () => {
    const found = steps(
      '```ts',
      'a',
      '```',
      '<!-- doc: continues -->',
      '```ts',
      'b',
      '```',
      '```text',
      'c',
      '```',
    )
    expect(found).toEqual([
      {
        kind: 'program',
        name: 'block-1.ts',
        text: 'a\n\nb\n',
        line: 1,
        needs: [],
        output: { text: 'c\n', line: 8 },
      },
    ])
  })

  it('are refused when there is no program to continue', () => {
    expect(() => steps('<!-- doc: continues -->', '```ts', 'b', '```')).toThrow('none stands before it')
  })
})
