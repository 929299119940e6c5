import { printable } from './render/printable.ts'

/** Which database was connected to, and as whom; never with a password. */
export interface DatabaseIdentity {
  readonly name: string
  /** A host name or address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly user: string
}

/** For people, on one line: `shopdb on 127.0.0.1:5432 as app_owner`. */
export function databaseText({ name, host, port, user }: DatabaseIdentity): string {
  const place = host.includes(':') ? `[${host}]` : host
  return printable(`${name} on ${place}:${port} as ${user}`).replaceAll('\n', String.raw`\n`)
}
