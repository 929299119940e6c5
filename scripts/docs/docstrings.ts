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
    doc: (groups?.['doc'] ?? '')
      .replaceAll(/^\s*\* ?/gm, ' ')
      .replaceAll(/\s+/g, ' ')
      .trim(),
    body: groups?.['rest'] ?? '',
  }))
}
