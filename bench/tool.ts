/** What every tool that is compared can do. */

import type { TableWish } from './tables.ts'

export interface MaintenanceTool {
  readonly name: string
  /** Makes the wishes known to the tool; not measured. */
  prepare(wishes: readonly TableWish[]): Promise<void>
  /** Runs maintenance once over all of its tables. Never throws: what went wrong is in `complaints`. */
  maintain(): Promise<ToolRun>
  close(): Promise<void>
}

export interface ToolRun {
  /** Measured in the tool's own process. */
  readonly ms: number
  /** What the tool says about it, where it says something: errors, issues, findings, notices. */
  readonly complaints: readonly string[]
}

/** A peer that can be started here, or why it cannot. */
export type Peer<Found> =
  | ({ readonly available: true; readonly version: string; readonly from: string } & Found)
  | { readonly available: false; readonly why: string }

/** The application name of every session of a tool. */
export const sessionName = 'bench maintenance'
