/** Names in a sentence: all of up to three, or of `most`, `a, b and c`, or the first ones and how many more there are. */
export function listed(names: readonly string[], most = 3): string {
  const shown = names.slice(0, most)
  const [last] = shown.slice(-1)
  if (names.length > shown.length) return `${shown.join(', ')} and ${names.length - shown.length} more`
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${last}` : shown.join('')
}
