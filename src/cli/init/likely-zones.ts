/** Zones that many people live in; of zones that fit equally well, these are named before the rest. */
const common = [
  'Europe/London',
  'Europe/Berlin',
  'Europe/Istanbul',
  'America/New_York',
  'America/Chicago',
  'America/Denver',
  'America/Los_Angeles',
  'America/Sao_Paulo',
  'Asia/Kolkata',
  'Asia/Shanghai',
  'Asia/Tokyo',
  'Asia/Singapore',
  'Asia/Dubai',
  'Australia/Sydney',
  'Africa/Lagos',
  'Africa/Johannesburg',
  'Pacific/Auckland',
]

/** All zones, the likeliest first: UTC, the one of this machine, those of many people, the rest. */
export function likelyZones(hostZone: string): readonly string[] {
  const all = Intl.supportedValuesOf('timeZone')
  return [...new Set(['UTC', hostZone, ...common.filter((zone) => all.includes(zone)), ...all])]
}

/** The zone of this machine. */
export function zoneOfHost(): string {
  return new Intl.DateTimeFormat('en').resolvedOptions().timeZone
}
