import { cpus, totalmem } from 'node:os'

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
  return Math.round(middle * 10) / 10
}

export function ratio(value: number, base: number): number {
  return Math.round((value / base) * 100) / 100
}

/** Prints the figures with what they were measured on. */
export function printReport(report: Readonly<Record<string, unknown>>): void {
  const machine = {
    node: process.version,
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 1_073_741_824),
    platform: `${process.platform}-${process.arch}`,
  }
  process.stdout.write(`${JSON.stringify({ ...report, machine }, null, 2)}\n`)
}
