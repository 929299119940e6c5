#!/usr/bin/env node
import { processIo } from './command-io.ts'
import { runCli } from './run-cli.ts'
import { stopOnSignals } from './stop-signal.ts'

const controller = new AbortController()
const io = processIo(controller.signal)
stopOnSignals(controller, {
  first: (signal) => {
    io.err.write(
      `pg-partsmith: stopping after ${signal}; a second one ends it at once, without cleaning up.\n`,
    )
  },
  again: (exitCode) => {
    process.exit(exitCode)
  },
})
const exitCode = await runCli(process.argv.slice(2), io)
// What could not be written down was not said, whatever else went well.
process.exitCode = exitCode === 0 ? (process.exitCode ?? 0) : exitCode
