import { Socket } from 'node:net'

/** How long nothing may come from the server once the process was told to stop. */
const silentMs = 5_000
const lookEveryMs = 250
/** How long the connections may take to say goodbye. */
const farewellMs = 2_000

/**
 * The sockets to the server, which can be closed from here: the driver waits for the server's end of a connection, and
 * behind a network that was cut that never comes.
 */
export class ServerSockets {
  readonly #open = new Set<Socket>()
  readonly #stopLooking: () => void
  #closedRead = 0

  /** After the abort they are closed as soon as all of them are silent for long, so that what waits for an answer ends. */
  constructor(signal: AbortSignal) {
    let timer: NodeJS.Timeout | undefined
    const start = (): void => {
      let heard = { bytes: -1, at: 0 }
      timer = setInterval(() => {
        const now = performance.now()
        const bytes = this.#bytesRead()
        if (bytes !== heard.bytes) heard = { bytes, at: now }
        else if (now - heard.at > silentMs) this.#closeAll()
      }, lookEveryMs).unref()
    }
    if (signal.aborted) start()
    else signal.addEventListener('abort', start, { once: true })
    this.#stopLooking = () => {
      signal.removeEventListener('abort', start)
      clearInterval(timer)
    }
  }

  /** Makes a socket for the driver, which connects it. */
  readonly make = (): Socket => {
    const socket = new Socket()
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#closedRead += socket.bytesRead
    })
    return socket
  }

  /** Waits for the connections to end by themselves, and not for long. */
  async end(ended: Promise<unknown> = Promise.resolve()): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, farewellMs)
    })
    await Promise.race([ended.catch(() => undefined), late])
    clearTimeout(timer)
    this.#stopLooking()
    this.#closeAll()
  }

  #bytesRead(): number {
    return [...this.#open].reduce((sum, { bytesRead }) => sum + bytesRead, this.#closedRead)
  }

  #closeAll(): void {
    for (const socket of this.#open) {
      // Nobody may be listening any more.
      socket.on('error', () => undefined)
      socket.destroy(new Error(`the server has said nothing for ${silentMs / 1_000} s`))
    }
  }
}
