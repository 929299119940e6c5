import { describe, expect, it } from 'vitest'
import { InvalidPartitionConfigError } from '../../../../src/errors.ts'
import { toRedisSend } from '../../../../src/run/locks/redis-client.ts'

const command = ['EVAL', 'script', '2', '{x}:lock', '{x}:fence', 'token']

/** Says how it was called. */
const told = (...call: readonly unknown[]): Promise<unknown> => Promise.resolve(call)

describe('toRedisSend', () => {
  it('sends through a function', async () => {
    expect(await toRedisSend(told)([...command])).toEqual([command])
  })

  it('sends through valkey-glide', async () => {
    expect(await toRedisSend({ customCommand: told })([...command])).toEqual([command])
  })

  it('sends through ioredis, single or cluster', async () => {
    expect(await toRedisSend({ defineCommand: told, call: told })([...command])).toEqual(command)
  })

  it('sends through a node-redis client', async () => {
    expect(await toRedisSend({ sendCommand: told })([...command])).toEqual([command])
  })

  it('tells a node-redis cluster the key', async () => {
    expect(await toRedisSend({ slots: [], sendCommand: told })([...command])).toEqual([
      '{x}:lock',
      false,
      command,
    ])
  })

  it('sends through Bun', async () => {
    expect(await toRedisSend({ send: told })([...command])).toEqual(['EVAL', command.slice(1)])
  })

  it('refuses anything else with a sentence', () => {
    expect(() => toRedisSend(Object.create(null))).toThrow(InvalidPartitionConfigError)
    expect(() => toRedisSend(JSON.parse('"redis://127.0.0.1"'))).toThrow(/This is not a Redis client/)
  })
})
