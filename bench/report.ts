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

/** Prints a table for `bench/README.md` on standard error, where it does not mix with the JSON. */
export function printTable(title: string, rows: readonly Readonly<Record<string, string | number>>[]): void {
  const columns = Object.keys(rows[0] ?? {})
  process.stderr.write(
    [
      `\n${title}\n\n`,
      line(columns),
      line(columns.map(() => '---')),
      ...rows.map((row) => line(columns.map((column) => row[column] ?? ''))),
    ].join(''),
  )
}

function line(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |\n`
}

/** The first line above the tables: what they were measured on. */
export function describeMachine(postgres: string): string {
  const busy = loadAtStart > 1 ? '; something else was running, do not quote' : ''
  return `${new Date().toISOString().slice(0, 10)}, PostgreSQL ${postgres}, Node ${process.version}, ${cpus().length} cores ${cpus()[0]?.model.trim() ?? ''}${busy}`
}

/** Gives a function that says which share of all cores was busy since. */
export function startCpuMeter(): () => number {
  const begun = cpuTimes()
  return () => {
    const ended = cpuTimes()
    return ratio(ended.busy - begun.busy, ended.all - begun.all)
  }
}

function cpuTimes(): { readonly busy: number; readonly all: number } {
  const times = cpus().map(({ times: { user, nice, sys, irq, idle } }) => ({
    busy: user + nice + sys + irq,
    all: user + nice + sys + irq + idle,
  }))
  const sum = (of: (one: (typeof times)[number]) => number): number =>
    times.reduce((total, one) => total + of(one), 0)
  return { busy: sum(({ busy }) => busy), all: sum(({ all }) => all) }
}

/** Milliseconds for people. */
export function inMs(ms: number): string {
  if (Number.isNaN(ms)) return 'not measured'
  return ms < 1000 ? `${rounded(ms)} ms` : `${Math.round(ms / 10) / 100} s`
}
