import { describe, expect, it } from 'vitest'
import { nearest, nearestTimeZone } from '../../../src/policy/suggest.ts'

const options = ['tableName', 'partitionColumn', 'granularity', 'createAheadCount', 'retentionCount']

describe('nearest', () => {
  it.each([
    ['retentionCout', 'retentionCount'],
    ['retention_count', 'retentionCount'],
    ['RETENTION-COUNT', 'retentionCount'],
    ['tabelName', 'tableName'],
    ['granularty', 'granularity'],
    ['createAhead', 'createAheadCount'],
    ['partitionColumns', 'partitionColumn'],
  ])('finds what %s was meant to be', (written, meant) => {
    expect(nearest(written, options)).toBe(meant)
  })

  it.each([['x'], [''], ['colour'], ['name'], ['count']])('does not guess at %j', (written) => {
    expect(nearest(written, options)).toBeUndefined()
  })

  it('finds the granularity in the words of daily life', () => {
    const granularities = ['hour', 'day', 'week', 'month', 'quarter', 'year']
    const words = ['hourly', 'days', 'weekly', 'Monthly', 'quarters', 'yearly', 'mnth']
    expect(words.map((word) => nearest(word, granularities))).toEqual([
      'hour',
      'day',
      'week',
      'month',
      'quarter',
      'year',
      'month',
    ])
  })

  it('prefers the candidate with fewer typos to the one that comes first', () => {
    expect(nearest('detachmod', ['detachModes', 'detachMode'])).toBe('detachMode')
  })
})

describe('nearestTimeZone', () => {
  it.each([
    ['Europe/Berln', 'Europe/Berlin'],
    ['berlin', 'Europe/Berlin'],
    ['new york', 'America/New_York'],
    ['America/NewYork', 'America/New_York'],
    ['UCT', 'UTC'],
  ])('finds the zone that %s was meant to be', (written, meant) => {
    expect(nearestTimeZone(written)).toBe(meant)
  })

  it('does not guess at words that are no zone', () => {
    expect(nearestTimeZone('Middle-earth/Shire')).toBeUndefined()
  })
})
