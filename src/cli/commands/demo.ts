import { Pool } from 'pg'
import type { CommandIo } from '../command-io.ts'
import type { CommandSpec } from '../command-spec.ts'
import { type DemoServer, demoServer } from '../demo/demo-server.ts'
import { giveTour } from '../demo/tour.ts'
import type { ExitCode } from '../exit-code.ts'
import { formatTook } from '../render/quantities.ts'
import { verboseOption } from '../table-options.ts'

export interface DemoOptions {
  /** A server to use in place of an embedded one. */
  readonly url: string | undefined
  /** Leaves the schema on that server; without one, the server of the demonstration runs until it is interrupted. */
  readonly keep: boolean
  readonly verbose: boolean
}

/** Runs the command as the shell does. Leaves nothing behind, however it ends. */
export async function runDemo(options: DemoOptions, io: CommandIo): Promise<ExitCode> {
  const { url, keep, verbose } = options
  const started = performance.now()
  if (url === undefined) io.out.write('Starting a PostgreSQL server for this ..\n')
  const server = await demoServer(url, io)
  io.out.write(`Using ${server.name}.\n`)
  const pool = new Pool({ ...server.options, max: 5 })
  pool.on('error', () => undefined)
  try {
    const { schema, database, secrets } = server
    const exitCode = await giveTour({ pool, schema, database, secrets, verbose }, io)
    io.out.write(`That took ${formatTook(performance.now() - started)}. `)
    if (keep && url === undefined) await untilInterrupted({ server, pool }, io)
    return exitCode
  } finally {
    await tidyUp({ server, pool, keep, own: url !== undefined }, io)
  }
}

async function untilInterrupted(
  { server, pool }: { readonly server: DemoServer; readonly pool: Pool },
  io: CommandIo,
): Promise<void> {
  const { host, port, user, name } = server.database
  // Nothing else keeps this process alive, and it shows when the server ends.
  const connection = await pool.connect()
  const over = new Promise<void>((resolve) => {
    connection.once('error', () => resolve())
    io.signal.addEventListener('abort', () => resolve(), { once: true })
    if (io.signal.aborted) resolve()
  })
  io.out.write(
    `The server runs until Ctrl+C. In another terminal:\n  export DATABASE_URL=postgres://${user}@${host}:${port}/${name}\n`,
  )
  await over
  connection.release(true)
  io.signal.throwIfAborted()
}

async function tidyUp(
  about: { readonly server: DemoServer; readonly pool: Pool; readonly keep: boolean; readonly own: boolean },
  io: CommandIo,
): Promise<void> {
  const { server, pool, keep, own } = about
  const drop = `DROP SCHEMA ${server.schema} CASCADE`
  try {
    if (own && keep) io.out.write(`The schema ${server.schema} was kept; remove it with: ${drop};\n`)
    else if (own) {
      await pool.query(drop.replace('SCHEMA', 'SCHEMA IF EXISTS'))
      io.out.write(`The schema ${server.schema} was dropped.\n`)
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    io.err.write(`The schema ${server.schema} could not be dropped (${why}). Remove it with: ${drop};\n`)
  } finally {
    await pool.end()
    await server.stop()
    if (!own) io.out.write('The server is stopped and its files are deleted.\n')
  }
}

export const demoCommand: CommandSpec = {
  name: 'demo',
  summary: 'See all of it on a throw-away server, in a few seconds.',
  description:
    'Starts a PostgreSQL server of its own, makes a table with 18 months of rows, and shows it before, what is due, doing it, and after. With --url it does the same on your server, in a schema of its own that it drops at the end. Leaves nothing behind, also after Ctrl+C.',
  options: [
    { flags: '--url <url>', description: 'Uses this server, with a right to create schemas.' },
    {
      flags: '--keep',
      description: 'Keeps the schema there, to look at it; without --url, runs the server until Ctrl+C.',
    },
    verboseOption,
  ],
  examples: [
    { line: 'pg-partsmith demo', what: 'needs nothing but the package of the embedded server' },
    { line: 'pg-partsmith demo --keep', what: 'the same, and then the server is there for trying things' },
    { line: 'pg-partsmith demo --url postgres://user@host/db', what: 'on a server that is there' },
  ],
  exitCodes: [0, 3, 4, 5],
  run: (given, io) =>
    runDemo({ url: given.text('url'), keep: given.flag('keep'), verbose: given.flag('verbose') }, io),
}
