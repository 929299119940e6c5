/** Known costs and risks of operations, by the names that `allowHazards` takes. */
export const hazards = [
  'access-exclusive-lock',
  'blocks-writes',
  'cancels-standby-queries',
  'deletes-data',
  'full-scan',
  'hides-data',
  'not-transactional',
  'rejects-inserts',
  'rewrites-rows',
] as const

/** A known cost or risk of an operation. */
export type Hazard = (typeof hazards)[number]
