/** What the applications of the stall benchmark send, each statement a transaction of its own. */

export type ClientKind =
  | 'insert into a sibling'
  | 'insert into DEFAULT'
  | 'select, pruned'
  | 'select, unpruned'
  | 'update'
  | 'insert into the referencing table'

export interface ClientStatement {
  readonly text: string
  readonly values: readonly string[]
}

/** The seeded rows of each partition, five seconds apart, with ids from 1 on. */
export const seededRows = 10_000

export function seededMoment(day: string, id: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) + id * 5000).toISOString()
}

/**
 * The statement of one turn. `day` is today, whose partition is a sibling of the one that is made and the one that goes.
 *
 * What is meant for DEFAULT is old, because a tool that goes by the newest row would otherwise run ahead.
 */
export function statementOf(kind: ClientKind, turn: number, day: string): ClientStatement {
  const id = 1 + (turn % seededRows)
  const fresh = String(1_000_000_000 + turn)
  const seeded = [String(id), seededMoment(day, id)]
  switch (kind) {
    case 'insert into a sibling':
      return {
        text: 'INSERT INTO ev (id, at, payload) VALUES ($1, $2, $3)',
        values: [fresh, `${day}T12:00:00Z`, 'new'],
      }
    case 'insert into DEFAULT':
      return {
        text: 'INSERT INTO ev (id, at, payload) VALUES ($1, $2, $3)',
        values: [fresh, '2000-01-01T12:00:00Z', 'late'],
      }
    case 'select, pruned':
      return { text: 'SELECT payload FROM ev WHERE id = $1 AND at = $2', values: seeded }
    case 'select, unpruned':
      return { text: 'SELECT count(*) FROM ev WHERE id = $1', values: [String(id)] }
    case 'update':
      return {
        text: 'UPDATE ev SET payload = $3 WHERE id = $1 AND at = $2',
        values: [...seeded, String(turn)],
      }
    case 'insert into the referencing table':
      return { text: 'INSERT INTO ev_note (ev_id, ev_at) VALUES ($1, $2)', values: seeded }
  }
}
