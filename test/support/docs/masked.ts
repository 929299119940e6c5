/**
 * Makes the output of two days and two machines comparable.
 *
 * What differs by nature is replaced: times by `<time>`, durations by `<duration>`, ports, digests and names of test
 * databases by their kind. Days are numbered in the order in which they appear, so that one that is wrong or comes twice
 * is still seen. Runs of blanks count as one.
 */
export function masked(output: string): string {
  const numbered = new Map<string, string>()
  const date = (text: string): string => {
    const known = numbered.get(text) ?? `<date ${numbered.size + 1}>`
    numbered.set(text, known)
    return known
  }
  return (
    output
      .replaceAll(/\bdoc_[0-9a-f]{16}\b|\btest_[0-9a-f]{16}\b/g, '<database>')
      .replaceAll(/(?<=(?:127\.0\.0\.1|localhost):)\d{2,5}\b/g, '<port>')
      .replaceAll(/\b[0-9a-f]{32,64}\b/g, '<digest>')
      .replaceAll(/(?<="oid": ")\d+(?=")/g, '<oid>')
      // Midnights are bounds; every other time of day is when something happened.
      .replaceAll(
        /\b\d{4}-\d\d-\d\d[T ](?!00:00(?::00)?(?:Z|[+-]|$|[^\d:.]))\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?/gm,
        '<time>',
      )
      .replaceAll(/\b\d{4}-\d\d-\d\d(?:[T ]00:00(?::00)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?/g, date)
      .replaceAll(/(?<=__)\d{4}(?:_(?:w\d\d|q\d|\d\d(?:_\d\d(?:_\d\d[b-d]?)?)?))?(?!\d)/g, date)
      .replaceAll(
        /\b(?:\d+(?:\.\d+)? (?:days?|hours?|minutes?|seconds?|months?|weeks?)(?: |\b))+/g,
        '<duration> ',
      )
      .replaceAll(/(?<![\w.])\d+(?:\.\d+)? ?(?:ms|s|h)\b/g, '<duration>')
      .replaceAll(/\b(?:pid|PID|process) \d+/g, 'process <pid>')
      // Near the right edge the words stand left of the mark.
      .replaceAll(/now <time> ▲/g, '▲ now <time>')
      .replaceAll(/-{3,}/g, '---')
      .replaceAll(/[ \t]+/g, ' ')
      .split('\n')
      .map((line) => line.trim())
      .join('\n')
      .trim()
  )
}

/** Names the database of a page as a reader's might be called: every page has one of its own on a server of the tests. */
export function presentable(output: string): string {
  return output
    .replaceAll(
      /^(?<start>(?:-- )?)test_[0-9a-f]{16} on 127\.0\.0\.1:\d+ as \w+$/gm,
      '$<start>shop on 127.0.0.1:5432 as shop_owner',
    )
    .replaceAll(
      /server="127\.0\.0\.1:\d+",database="test_[0-9a-f]{16}"/g,
      'server="127.0.0.1:5432",database="shop"',
    )
}
