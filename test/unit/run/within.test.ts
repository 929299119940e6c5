import { once } from 'node:events'
import { connect, createServer } from 'node:net'

import { expect, it } from 'vitest'

import { portOf } from '../../support/cut-network.ts'
import { within } from '../../../src/run/within.ts'

it('takes an answer that came in time to a process that was too busy to read it', async () => {
  const server = createServer((socket) => socket.end('answer')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect(portOf(server), '127.0.0.1')
  await once(socket, 'connect')
  const answer = within(once(socket, 'data'), { ms: 50, what: 'answer' })
  await new Promise((resolve) => setTimeout(resolve, 5))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  expect(String(await answer)).toBe('answer')
  server.close()
})
