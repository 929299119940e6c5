import { ConnectionFailedError } from '../errors.ts'
import type { DatabaseClient, DatabaseConnection } from './client.ts'
import { abortErrorOf, onAbort, throwIfAborted } from './run-aborted.ts'
import { describeError } from './sql-state.ts'

const message = 'The run was stopped before it had a database connection.'

/**
 * Takes a connection, or stops waiting for one when the signal aborts: a connection that comes later is given back.
 *
 * Rejects with `ConnectionFailedError`, or with `RunAbortedError`.
 */
export async function openConnection(
  client: DatabaseClient,
  signal: AbortSignal | undefined,
): Promise<DatabaseConnection> {
  throwIfAborted(signal, message)
  return new Promise((resolve, reject) => {
    let abandoned = false
    const stop = onAbort(signal, () => {
      abandoned = true
      if (signal !== undefined) reject(abortErrorOf(signal, message))
    })
    client.connect().then(
      (connection) => {
        stop()
        if (abandoned) return giveBack(connection, false)
        return resolve(connection)
      },
      (error: unknown) => {
        stop()
        const said = describeError(error)
        const { server } = client
        const where = server === undefined || said.includes(server) ? '' : ` (the server is ${server})`
        reject(
          new ConnectionFailedError(`Could not connect to the database: ${said}${where}.`, { cause: error }),
        )
      },
    )
  })
}

/** Gives a connection back; that this fails is nobody's concern any more. */
export async function giveBack(connection: DatabaseConnection, discard: boolean): Promise<void> {
  try {
    await connection.release(discard)
  } catch {
    // The driver has forgotten the connection already.
  }
}
