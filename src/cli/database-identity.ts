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
export function databaseText(database: DatabaseIdentity): string {
  const { name, user } = database
  return printable(`${name} on ${serverText(database)} as ${user}`).replaceAll('\n', String.raw`\n`)
}

/** `127.0.0.1:5432`, `[::1]:5432`. */
export function serverText({ host, port }: Pick<DatabaseIdentity, 'host' | 'port'>): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
