import { spawn } from 'node:child_process'

import { PartitionError } from '../errors.ts'
import { checkOptions } from '../policy/call-options.ts'
import type { HookPhase } from '../policy/options.ts'
import { hookPhases } from '../policy/schema.ts'
import type { PartitionEvent, PartitionLifecycleHooks } from './hooks.ts'

/** Programs to run at the points of a partition's life, as argument vectors: there is no shell in between. */
export type CommandHookVectors = Readonly<Partial<Record<HookPhase, readonly string[]>>>

/** How long a program that was told to stop has before it is killed. */
const graceMs = 2_000
/** How long to read on from the standard error of a program that has ended. */
const lastWordsMs = 200

/**
 * Makes hooks that run programs: the event is JSON on standard input, and an exit status other than 0 refuses
 * (`before*`) or counts as failed (`after*`), with the last lines of its standard error in the message.
 */
export function commandHooks(vectors: CommandHookVectors): PartitionLifecycleHooks {
  checkOptions('commandHooks', vectors)
  const hooks: PartitionLifecycleHooks = {}
  for (const phase of hookPhases) {
    const vector = vectors[phase]
    if (vector) hooks[phase] = (event) => runCommand(vector, event)
  }
  return hooks
}

async function runCommand(vector: readonly string[], event: PartitionEvent): Promise<void> {
  const [program = '', ...args] = vector
  const child = spawn(program, args, {
    stdio: ['pipe', 'ignore', 'pipe'],
    // A process group of its own, so that what the program started is stopped with it.
    detached: process.platform !== 'win32',
    env: { ...process.env, PG_PARTSMITH_PHASE: event.phase },
  })
  if (child.pid !== undefined) trackGroup(child.pid)
  let said = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (chunk: string) => (said = (said + chunk).slice(-2_000)))
  let impatience: NodeJS.Timeout | undefined
  const stop = (): void => {
    kill(child.pid, 'SIGTERM')
    impatience = setTimeout(() => kill(child.pid, 'SIGKILL'), graceMs)
  }
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) =>
      reject(new PartitionError(`the program ${program} could not be started (${cause.message})`, { cause })),
    )
    child.once('exit', (status, signal) => {
      // What it left running must not outlive a stop.
      if (event.signal.aborted) kill(child.pid, 'SIGKILL')
      const end = (): void => {
        child.stderr.destroy()
        if (status === 0) resolve()
        else reject(new PartitionError(`${program} ended with ${signal ?? `status ${status}`}${quote(said)}`))
      }
      // A process that it left in the background keeps its standard error open for as long as it likes.
      const lastWords = setTimeout(end, lastWordsMs)
      child.once('close', () => {
        clearTimeout(lastWords)
        end()
      })
    })
  })
  // A program that does not read its input closes the pipe; that is its right.
  child.stdin.on('error', () => undefined)
  child.stdin.end(`${JSON.stringify(eventJson(event))}\n`)
  event.signal.addEventListener('abort', stop, { once: true })
  if (event.signal.aborted) stop()
  try {
    await ended
  } finally {
    clearTimeout(impatience)
    if (child.pid !== undefined) running.delete(child.pid)
    event.signal.removeEventListener('abort', stop)
  }
}

/** The programs that run now. A process that ends at once, without waiting for them, takes them with it. */
const running = new Set<number>()
let listening = false

function trackGroup(pid: number): void {
  running.add(pid)
  if (listening) return
  listening = true
  process.on('exit', () => {
    for (const each of running) kill(each, 'SIGKILL')
  })
}

/** The event as a program sees it. */
export function eventJson(event: PartitionEvent): Readonly<Record<string, unknown>> {
  const { phase, table, partition, partitionName, fromValue, toValue, oid, operation, reason } = event
  return {
    version: 1,
    phase,
    table,
    partition: {
      schema: partition.schema,
      name: partitionName,
      oid: oid ?? null,
      from: fromValue ?? null,
      to: toValue ?? null,
      state: partition.state,
      rowEstimate: partition.rowEstimate ?? null,
      sizeBytes: partition.sizeBytes ?? null,
      detachedAt: partition.detachedAt ?? null,
    },
    operation: operation.kind,
    reason,
  }
}

function quote(said: string): string {
  const lines = said.trim().split('\n').slice(-20)
  if (lines.length > 1) return `:\n${lines.join('\n')}`
  return lines[0] === '' ? '' : `: ${lines[0]}`
}

function kill(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal)
  } catch {
    // It has ended already.
  }
}
