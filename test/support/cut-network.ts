/** A way to a server that can be cut without anybody being told, as a network is. */

import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { onTestFinished } from 'vitest'

import type { TestDatabase } from './database.ts'

export interface CutNetwork {
  /** The database's URL on this way. */
  readonly url: string
  /** From now on nothing arrives at either end, and nothing is closed. */
  cut(this: void): void
  readonly isCut: boolean
}

/** Cut by itself as soon as the client sends the text, which does not arrive. */
export async function networkTo(database: TestDatabase, cutAt?: string): Promise<CutNetwork> {
  const { hostname, port } = new URL(database.url)
  const sockets = new Set<Socket>()
  const state = { isCut: false }
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    const link = (from: Socket, to: Socket): void => {
      sockets.add(from)
      from.on('data', (data: Buffer) => {
        if (from === near && cutAt !== undefined && data.includes(cutAt)) state.isCut = true
        if (!state.isCut) to.write(data)
      })
      from.on('end', () => {
        if (!state.isCut) to.end()
      })
      from.on('close', () => {
        if (!state.isCut) to.destroy()
      })
      from.on('error', () => undefined)
    }
    link(near, far)
    link(far, near)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(database.url)
  url.host = `127.0.0.1:${portOf(server)}`
  return {
    url: url.href,
    cut: () => {
      state.isCut = true
    },
    get isCut() {
      return state.isCut
    },
  }
}

export function portOf(server: Server): number {
  const address = server.address()
  if (typeof address !== 'object' || address === null)
    throw new Error('The server does not listen on a port.')
  return address.port
}
