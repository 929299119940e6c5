import { InvalidPartitionConfigError } from '../../errors.ts'

/** Sends one Redis command, given as its words, and resolves with the answer. */
export type RedisSend = (command: string[]) => Promise<unknown>

/** A client of node-redis, ioredis, valkey-glide or Bun (single node or cluster), or a function that sends. */
export type RedisLike =
  | RedisSend
  | { customCommand(command: string[]): Promise<unknown> }
  | { defineCommand: unknown; call(command: string, ...words: string[]): Promise<unknown> }
  | {
      slots: unknown
      sendCommand(key: string | undefined, readOnly: boolean | undefined, command: string[]): Promise<unknown>
    }
  | { sendCommand(command: string[]): Promise<unknown> }
  | { send(command: string, words: string[]): Promise<unknown> }

/** One way to send for all clients; they are told apart by their methods, and none of them is imported. */
export function toRedisSend(redis: RedisLike): RedisSend {
  if (typeof redis === 'function') return redis
  if (typeof redis === 'object' && redis !== null) {
    if ('customCommand' in redis) return (command) => redis.customCommand(command)
    if ('defineCommand' in redis) return ([name = '', ...words]) => redis.call(name, ...words)
    // A cluster needs to be told a key, to find the node. It is the fourth word of every EVAL.
    if ('slots' in redis) return (command) => redis.sendCommand(command[3], false, command)
    if ('sendCommand' in redis) return (command) => redis.sendCommand(command)
    if ('send' in redis) return ([name = '', ...words]) => redis.send(name, words)
  }
  throw new InvalidPartitionConfigError(
    'This is not a Redis client: give a client of node-redis, ioredis, valkey-glide or Bun, or a function that ' +
      'sends one command given as a list of words.',
  )
}
