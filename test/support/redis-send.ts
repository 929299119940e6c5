/** A Redis connection of a few lines, for tests that must see, hold back or lose single commands. */

import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface TestRedisConnection {
  /** Sends one command; an error of the server rejects. */
  readonly send: (command: readonly string[]) => Promise<unknown>
  readonly close: () => Promise<void>
}

/** Connects without a client library: RESP2 with requests answered in their order. */
export async function connectRedis(url: string): Promise<TestRedisConnection> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port === '' ? 6379 : port) })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject)
  })
  const waiting: ((answer: unknown) => void)[] = []
  let received = Buffer.alloc(0)
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    for (let answer = readAnswer(received); answer !== undefined; answer = readAnswer(received)) {
      received = received.subarray(answer.bytes)
      waiting.shift()?.(answer.value)
    }
  })
  return { send: (command) => send({ socket, waiting }, command), close: () => close(socket) }
}

async function send(
  { socket, waiting }: { readonly socket: Socket; readonly waiting: ((answer: unknown) => void)[] },
  command: readonly string[],
): Promise<unknown> {
  const words = command.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  socket.write(`*${command.length}\r\n${words.join('')}`)
  const answer = await new Promise((resolve) => waiting.push(resolve))
  if (answer instanceof Error) throw answer
  return answer
}

async function close(socket: Socket): Promise<void> {
  await new Promise((resolve) => socket.once('close', resolve).end())
}

interface Answer {
  readonly value: unknown
  readonly bytes: number
}

/** Reads one answer of the protocol; undefined while it is incomplete. */
function readAnswer(buffer: Buffer, start = 0): Answer | undefined {
  const end = buffer.indexOf('\r\n', start)
  if (end === -1) return undefined
  const line = buffer.toString('utf8', start + 1, end)
  const next = end + 2
  switch (String.fromCodePoint(buffer[start] ?? 0)) {
    case ':':
      return { value: Number(line), bytes: next - start }
    case '-':
      return { value: new Error(line), bytes: next - start }
    case '$':
      return readBulk(buffer, { start, next, length: Number(line) })
    case '*':
      return readList(buffer, { start, next, length: Number(line) })
    default:
      return { value: line, bytes: next - start }
  }
}

interface Part {
  readonly start: number
  readonly next: number
  readonly length: number
}

function readBulk(buffer: Buffer, { start, next, length }: Part): Answer | undefined {
  if (length === -1) return { value: null, bytes: next - start }
  if (buffer.length < next + length + 2) return undefined
  return { value: buffer.toString('utf8', next, next + length), bytes: next + length + 2 - start }
}

function readList(buffer: Buffer, { start, next, length }: Part): Answer | undefined {
  const values: unknown[] = []
  let position = next
  for (let index = 0; index < length; index += 1) {
    const answer = readAnswer(buffer, position)
    if (answer === undefined) return undefined
    values.push(answer.value)
    position += answer.bytes
  }
  return { value: values, bytes: position - start }
}
