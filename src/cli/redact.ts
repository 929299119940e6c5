/** Takes passwords out of any text: the given ones, and whatever stands where a URL or a parameter has its password. */
export function hidePasswords(text: string, secrets: readonly string[] = []): string {
  let safe = text
  // The longest first: one way to write a password may be a part of another.
  const known = [...new Set(secrets.flatMap(waysToWrite))].sort((a, b) => b.length - a.length)
  for (const secret of known) safe = safe.replaceAll(wholeOf(secret), mask)
  return safe.replaceAll(inUrl, `$1${mask}@`).replaceAll(asParameter, `$1${mask}`)
}

const mask = '***'

/** Up to the last @ of what looks like a URL: a password may hold an @ that was not encoded. */
const inUrl = /([a-z][a-z\d+.-]*:\/\/[^\s:/?#"'`]*:)[^\s"'`]*@/gi

const asParameter = /\b((?:sslpassword|pgpassword|password)\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&"'`]+)/gi

function waysToWrite(secret: string): readonly string[] {
  if (secret === '') return []
  return [secret, encodeURI(secret), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]
}

/** A short password is hidden where it stands alone; inside other words it tells nothing, and these stay readable. */
function wholeOf(secret: string): RegExp {
  const escaped = secret.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, String.raw`\$&`)
  return new RegExp(secret.length < 6 ? String.raw`(?<!\w)${escaped}(?!\w)` : escaped, 'g')
}
