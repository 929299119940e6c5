/** Takes sentences out of the source, so that a page says what an editor shows. */

const declaration =
  /(?:\/\*\*(?<doc>(?:(?!\*\/)[\s\S])*)\*\/\n)?export (?:abstract )?(?:class|interface) (?<name>\w+)(?<rest>[\s\S]*?)(?=\n\})/g

export interface DocumentedDeclaration {
  readonly name: string
  /** The docstring in one line; empty where there is none. */
  readonly doc: string
  /** The source of the declaration, from behind its name. */
  readonly body: string
}

/** The exported classes and interfaces of a source file, in its order. */
export function declarationsIn(source: string): readonly DocumentedDeclaration[] {
  return [...source.matchAll(declaration)].map(({ groups }) => ({
    name: groups?.['name'] ?? '',
    doc: oneLine(groups?.['doc'] ?? ''),
    body: groups?.['rest'] ?? '',
  }))
}

export interface DocumentedMember {
  readonly name: string
  readonly type: string
  readonly isOptional: boolean
  readonly doc: string
  /** What stands behind `@default`. */
  readonly otherwise: string | undefined
}

/** The members of an interface, from its body. */
export function membersIn(body: string): readonly DocumentedMember[] {
  const member =
    /(?:\/\*\*(?<doc>(?:(?!\*\/)[\s\S])*)\*\/\n\s*)?readonly (?<name>\w+)(?<optional>\?)?: (?<type>[^\n]+)/g
  return [...body.matchAll(member)].map(({ groups }) => {
    const [doc = '', otherwise] = oneLine(groups?.['doc'] ?? '').split(/ ?@default /)
    return {
      name: groups?.['name'] ?? '',
      type: groups?.['type'] ?? '',
      isOptional: groups?.['optional'] !== undefined,
      doc,
      otherwise,
    }
  })
}

export interface DocumentedMethod {
  readonly name: string
  /** Their names; one that may be left out has a question mark. */
  readonly parameters: readonly string[]
  /** What the promise is of. */
  readonly gives: string
  readonly doc: string
}

/** The asynchronous methods of a source file that have a docstring. */
export function methodsIn(source: string): readonly DocumentedMethod[] {
  const method =
    /\/\*\*(?<doc>(?:(?!\*\/)[\s\S])*)\*\/\n {2}async (?<name>\w+)\((?<parameters>[\s\S]*?)\): Promise<(?<gives>[^\n]+)> \{\n/g
  return [...source.matchAll(method)].map(({ groups }) => ({
    name: groups?.['name'] ?? '',
    parameters: parameterNames(oneLine(groups?.['parameters'] ?? '')),
    gives: groups?.['gives'] ?? '',
    doc: oneLine(groups?.['doc'] ?? ''),
  }))
}

/** What is taken apart in place has no name of its own: those are options. */
function parameterNames(text: string): readonly string[] {
  const named = text.replaceAll(/\{[^{}]*\}(?=:)/g, 'options').replaceAll(/<[^<>]*>/g, '')
  return named
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '')
    .map((each) => `${/^\w+/.exec(each)?.[0] ?? ''}${/= |\?:/.test(each) ? '?' : ''}`)
}

function oneLine(text: string): string {
  return text
    .replaceAll(/^\s*\* ?/gm, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
}
