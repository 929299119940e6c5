const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/**
 * Writes out what a screen or a program would act on and not show: line ends, control characters, and what turns the
 * direction of the text. Names come from a database, and whoever made a partition may have called it anything.
 */
export function visible(text: string): string {
  return text.replaceAll(unseen, (character) =>
    character === '\n' ? String.raw`\n` : String.raw`\u{${codePoint(character).toString(16)}}`,
  )
}

/** A comment in SQL, on one line whatever the text is: nothing in it ends the comment. */
export function sqlComment(text: string): string {
  return `-- ${visible(text)}`
}

export function isVisible(text: string): boolean {
  return text.search(unseen) < 0
}

/** Writes each of these characters in another way. */
export function replaceUnseen(text: string, write: (codePoint: number) => string): string {
  return text.replaceAll(unseen, (character) => write(codePoint(character)))
}

function codePoint(character: string): number {
  return character.codePointAt(0) ?? 0
}
