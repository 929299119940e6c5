/** Names in a sentence: `a`, `a and b`, `a, b and c`; of more than `most` the first ones and how many more there are. */
export function listed(names: readonly string[], most: number = names.length): string {
  const shown = names.slice(0, most)
  if (names.length > most) return `${shown.join(', ')} and ${names.length - most} more`
  const last = shown.at(-1) ?? ''
  return shown.length < 2 ? last : `${shown.slice(0, -1).join(', ')} and ${last}`
}
