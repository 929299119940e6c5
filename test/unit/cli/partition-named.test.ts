import { describe, expect, it } from 'vitest'

import { partitionNamed } from '../../../src/cli/partition-named.ts'

describe('the name of a partition on the command line', () => {
  it('may come with the schema of its parent, quoted as findings print it', () => {
    const parent = { schema: 'app', name: 'events' }
    expect(partitionNamed('events__2025_01', parent)).toBe('events__2025_01')
    expect(partitionNamed('app.events__2025_01', parent)).toBe('events__2025_01')
    expect(partitionNamed('app."Events ""2025"""', parent)).toBe('Events "2025"')
    expect(partitionNamed('"My App".e1', { schema: 'My App', name: 'events' })).toBe('e1')
    expect(partitionNamed('My App.e1', { schema: 'My App', name: 'events' })).toBe('e1')
  })

  it('is taken as it stands where it begins with anything else', () => {
    const parent = { schema: 'app', name: 'events' }
    expect(partitionNamed('other.e1', parent)).toBe('other.e1')
    expect(partitionNamed('events.2025', parent)).toBe('events.2025')
    expect(partitionNamed('app.', parent)).toBe('app.')
  })
})
