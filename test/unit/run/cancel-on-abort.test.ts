import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { DatabaseClient } from '../../../src/run/client.ts'
import { cancelOnAbort } from '../../../src/run/cancel-on-abort.ts'

function clientThat(cancel: DatabaseClient['cancel']): DatabaseClient {
  return {
    capabilities: { concurrentSessions: true },
    connect: () => Promise.reject(new Error('not used')),
    cancel,
  }
}

describe('cancelOnAbort', () => {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('asks for nothing before the abort', async () => {
    const cancel = vi.fn<DatabaseClient['cancel']>(async () => undefined)
    const { signal } = new AbortController()
    const cancellation = cancelOnAbort({ client: clientThat(cancel), pid: 7, signal })
    await vi.advanceTimersByTimeAsync(60_000)
    await cancellation.stop()
    expect(cancel).not.toHaveBeenCalled()
  })

  it('asks again every quarter of a second until the statement is over', async () => {
    const cancel = vi.fn<DatabaseClient['cancel']>(async () => undefined)
    const cancellation = cancelOnAbort({ client: clientThat(cancel), pid: 7, signal: AbortSignal.abort() })
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cancel.mock.calls).toEqual([[7], [7], [7], [7], [7]])
    await cancellation.stop()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(cancel).toHaveBeenCalledTimes(5)
  })

  it('has one request on its way at a time', async () => {
    const cancel = vi.fn<DatabaseClient['cancel']>(() => new Promise<void>(() => undefined))
    const cancellation = cancelOnAbort({ client: clientThat(cancel), pid: 7, signal: AbortSignal.abort() })
    await vi.advanceTimersByTimeAsync(5_000)
    expect(cancel).toHaveBeenCalledOnce()
    const stopped = cancellation.stop()
    await vi.advanceTimersByTimeAsync(1_000)
    await expect(stopped).resolves.toBeUndefined()
  })

  it('does not go on behind a pooler as long as its request could hit somebody else', async () => {
    const cancel = vi.fn<DatabaseClient['cancel']>(() => new Promise((resolve) => setTimeout(resolve, 4_000)))
    const signal = AbortSignal.abort()
    const cancellation = cancelOnAbort({ client: clientThat(cancel), pid: 7, signal, pooled: true })
    const over = vi.fn<() => void>()
    const stopped = cancellation.stop().then(over)
    await vi.advanceTimersByTimeAsync(3_900)
    expect(over).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(200)
    await stopped
    expect(over).toHaveBeenCalledOnce()
  })

  it('gives up on a statement that goes on for 15 seconds', async () => {
    const client = clientThat(() => Promise.reject(new Error('no route to host')))
    const cancellation = cancelOnAbort({ client, pid: 7, signal: AbortSignal.abort() })
    const givenUp = cancellation.givenUp.catch(String)
    await vi.advanceTimersByTimeAsync(16_000)
    expect(await givenUp).toBe('Error: it did not end within 15000 ms')
    await cancellation.stop()
  })

  it('does not ask for a session whose process is not known yet', async () => {
    const cancel = vi.fn<DatabaseClient['cancel']>(async () => undefined)
    const client = clientThat(cancel)
    const cancellation = cancelOnAbort({ client, pid: undefined, signal: AbortSignal.abort() })
    await vi.advanceTimersByTimeAsync(1_000)
    await cancellation.stop()
    expect(cancel).not.toHaveBeenCalled()
  })
})
