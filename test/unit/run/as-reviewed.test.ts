import { expect, it } from 'vitest'

import { sampleOperation } from '../../../scripts/docs/sample-plans.ts'
import { whyNotAsReviewed } from '../../../src/run/as-reviewed.ts'

it('names both forms where a detach would be another one now than was reviewed', () => {
  const [concurrent, blocking] = [sampleOperation('detach'), sampleOperation('detach', { default: true })]
  expect(whyNotAsReviewed(concurrent, blocking)).toContain('as it always is through a pooler')
  expect(whyNotAsReviewed(blocking, concurrent)).toContain('now it would be concurrently')
  expect(whyNotAsReviewed(concurrent, concurrent)).toBeUndefined()
  expect(whyNotAsReviewed(concurrent, undefined)).toBe('it would not be planned now')
  expect(whyNotAsReviewed(undefined, concurrent)).toContain('something else')
})
