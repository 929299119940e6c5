/** Names in a sentence: all of up to three, `a, b and c`, or the first three and how many more there are. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 3)
  const [last] = shown.slice(-1)
  if (names.length > shown.length) return `${shown.join(', ')} and ${names.length - shown.length} more`
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${last}` : shown.join('')
}
