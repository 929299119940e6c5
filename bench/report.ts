import { cpus, loadavg, release, totalmem } from 'node:os'

const loadAtStart = loadavg()[0] ?? 0

export function median(values: readonly number[]): number {
  return rounded(percentile(values, 0.5))
}

/** The smallest value that this share of the values does not exceed; not a number where there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
}

export function ratio(value: number, base: number): number {
  return Math.round((value / base) * 100) / 100
}

export function rounded(value: number): number {
  return Math.round(value * 10) / 10
}

/** Counts how many values fall into each class of a lock's or a statement's duration, in milliseconds. */
export function histogram(values: readonly number[]): Readonly<Record<string, number>> {
  const limits = [2, 10, 50, 100, 250, 500, 1000, 5000]
  const classes = limits.map((limit, index) => ({
    name: index === 0 ? `below ${limit}` : `${limits[index - 1]} to ${limit}`,
    count: values.filter((value) => value < limit && value >= (limits[index - 1] ?? 0)).length,
  }))
  const rest = values.filter((value) => value >= (limits.at(-1) ?? 0)).length
  const all = [...classes, { name: `${limits.at(-1)} and more`, count: rest }]
  return Object.fromEntries(all.filter(({ count }) => count > 0).map(({ name, count }) => [name, count]))
}

/** Says on standard error what is being done, because a full run takes minutes. */
export function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`)
}

/** Prints the figures with what they were measured on. */
export function printReport(report: Readonly<Record<string, unknown>>): void {
  const machine = {
    node: process.version,
    cores: cpus().length,
    processor: cpus()[0]?.model.trim(),
    memoryGb: Math.round(totalmem() / 1_073_741_824),
    platform: `${process.platform}-${process.arch}`,
    kernel: release(),
    loadAverageAtStart: rounded(loadAtStart),
    ...(loadAtStart > 1 && {
      busy: 'Something else was running when this began: do not quote these figures, and distrust the ratios, too.',
    }),
  }
  process.stdout.write(`${JSON.stringify({ ...report, machine }, null, 2)}\n`)
}
