import { isVisible, replaceUnseen } from '../model/visible.ts'
import type { Sql } from './sql.ts'
import { toText } from './sql.ts'

/**
 * The same statement for people: what cannot be seen in a name or a text is written with escapes, as `U&"..."` and
 * `E'...'`, so that it means the same, shows what it is, and keeps to its line.
 *
 * The server is sent the characters themselves: a database whose encoding is not known takes no escapes but ASCII.
 */
export function readable(statement: Sql): string {
  return toText(statement).replaceAll(regions, (region) => {
    if (isVisible(region)) return region
    if (region.startsWith('"')) return readableName(region)
    return region.startsWith("'") || /^e'/i.test(region) ? readableLiteral(region) : region
  })
}

/** Comments and dollar quotes, so that a quote in them opens nothing. */
const regions =
  /(?<![\w$])[Ee]'(?:[^'\\]|''|\\[^])*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[^]*?\*\/|(?<tag>\$(?:[A-Za-z_]\w*)?\$)[^]*?\k<tag>/g

function readableName(quoted: string): string {
  const escaped = replaceUnseen(quoted.replaceAll('\\', String.raw`\\`), (code) =>
    code > 0xffff ? `\\+${hex(code, 6)}` : `\\${hex(code, 4)}`,
  )
  return `U&${escaped}`
}

function readableLiteral(quoted: string): string {
  const body = quoted.startsWith("'") ? quoted.replaceAll('\\', String.raw`\\`) : quoted.slice(1)
  const escaped = replaceUnseen(body, (code) => {
    if (code === 0x0a) return String.raw`\n`
    return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`
  })
  return `E${escaped}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, '0')
}
