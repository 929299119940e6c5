/**
 * Says in a sentence why a calendar and a DDL session that were both chosen do not go together; undefined where they do.
 *
 * Null goes with every calendar: the session's TimeZone is then left as it is.
 */
export function zoneDisagreement(timeZone: string, ddlTimezone: string | null): string | undefined {
  if (ddlTimezone === null || timeZone === ddlTimezone) return undefined
  if (canonical(timeZone) === canonical(ddlTimezone)) return undefined
  return (
    `Periods begin in the zone ${JSON.stringify(timeZone)} here, and ddlTimezone is ${JSON.stringify(ddlTimezone)}. ` +
    `Set ddlTimezone to ${JSON.stringify(timeZone)}, or to null where tables have different zones.`
  )
}

const canonicalNames = new Map<string, string>()

/** One spelling for a zone and its other names: `Etc/UTC` is `UTC`. A look-up costs milliseconds, so it is kept. */
function canonical(timeZone: string): string {
  const known = canonicalNames.get(timeZone)
  if (known !== undefined) return known
  const name = new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone
  canonicalNames.set(timeZone, name)
  return name
}
