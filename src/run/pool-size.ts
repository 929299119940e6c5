import type { DatabaseClient } from './client.ts'

/** Says in a sentence why a repository cannot work with the client; undefined where it can. */
export function poolProblem({ capabilities }: DatabaseClient): string | undefined {
  const { maxConnections, concurrentSessions } = capabilities
  if (!concurrentSessions || maxConnections === undefined || maxConnections >= 2) return undefined
  return 'The repository was given a pool of one connection. A concurrent detach needs two, and a run three with the lock, so it would wait for itself for ever; give the pool at least three.'
}
