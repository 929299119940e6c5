import { parseArgs } from 'node:util'

/** What an option is when it is not given, and what it means. */
export type OptionTable = Readonly<Record<string, readonly [fallback: string, meaning: string]>>

/** Reads `--name value` options; `--help` prints them and ends the process. Throws for any other argument. */
export function readOptions<Table extends OptionTable>(table: Table): (name: keyof Table & string) => string {
  const given = new Map<string, string>()
  const known = Object.keys(table).map((name) => [name, { type: 'string' }] as const)
  const { tokens } = parseArgs({
    options: { ...Object.fromEntries(known), help: { type: 'boolean' } },
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind !== 'option') continue
    if (token.name === 'help') printHelp(table)
    given.set(token.name, token.value ?? '')
  }
  return (name) => given.get(name) ?? table[name]?.[0] ?? ''
}

function printHelp(table: OptionTable): never {
  const lines = Object.entries(table).map(
    ([name, [fallback, meaning]]) => `  --${name.padEnd(12)} ${meaning} (default: ${fallback})`,
  )
  process.stdout.write(`${lines.join('\n')}\n`)
  process.exit(0)
}

/** Throws for anything that is not a whole number of at least one. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`${text} is not a whole number from 1 on.`)
  return value
}

export function list(text: string): readonly string[] {
  return text.split(',').filter((part) => part !== '')
}
