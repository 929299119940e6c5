import { describe, expect, it } from 'vitest'

import { allowedOnly } from '../../../src/plan/allowed.ts'
import type { Operation } from '../../../src/plan/operation.ts'
import type { Hazard } from '../../../src/policy/hazard.ts'
import { TablePartitionConfig } from '../../../src/policy/config.ts'
import { createOf, detachOf, dropOf } from '../../support/cli-views.ts'

const april = { from: '2026-04-01 00:00:00+00', to: '2026-05-01 00:00:00+00' }
const january = { from: '2026-01-01 00:00:00+00', to: '2026-02-01 00:00:00+00' }
const create = createOf('events__2026_04', april)
const detach = detachOf('events__2026_01', january)
const drop: Operation = {
  ...dropOf('events__2026_01'),
  reason: { code: 'follows-detach', text: 'detached by this plan' },
}

const only = (allowHazards: readonly Hazard[] | undefined): readonly string[] =>
  allowedOnly(
    new TablePartitionConfig({
      tableName: 'events',
      partitionColumn: 'at',
      granularity: 'month',
      allowHazards,
    }),
    [create, detach, drop],
  ).operations.map(({ kind }) => kind)

describe('the hazards that are allowed', () => {
  it('are all of them unless it is said', () => {
    expect(only(undefined)).toEqual(['create', 'detach', 'drop'])
  })

  it('leave what has none when the list is empty', () => {
    expect(only([])).toEqual(['create'])
  })

  it('leave a table detached where its rows may not be deleted', () => {
    expect(only(['hides-data', 'not-transactional'])).toEqual(['create', 'detach'])
  })

  it('leave out the drop with the detach that it follows', () => {
    expect(only(['deletes-data'])).toEqual(['create'])
  })

  it('are all named in the finding, to be copied', () => {
    const config = new TablePartitionConfig({
      tableName: 'events',
      partitionColumn: 'at',
      granularity: 'month',
      allowHazards: [],
    })
    const hazards = ['hides-data', 'access-exclusive-lock', 'full-scan', 'cancels-standby-queries'] as const
    expect(allowedOnly(config, [{ ...detach, hazards }]).findings).toMatchObject([
      {
        message:
          'The detach of app.events__2026_01 is due, and its hazards hides-data, access-exclusive-lock, full-scan and cancels-standby-queries are not allowed (allowHazards).',
        next: 'Allow them with allowHazards, or have it done by hand when it suits.',
      },
    ])
  })

  it('are named in a finding about what was left out', () => {
    const config = new TablePartitionConfig({
      tableName: 'events',
      partitionColumn: 'at',
      granularity: 'month',
      allowHazards: ['deletes-data', 'hides-data'],
    })
    expect(allowedOnly(config, [create, detach, drop]).findings).toMatchObject([
      {
        code: 'hazard-not-allowed',
        relation: { name: 'events__2026_01' },
        message:
          'The detach of app.events__2026_01 is due, and its hazard not-transactional is not allowed (allowHazards).',
      },
    ])
  })
})
