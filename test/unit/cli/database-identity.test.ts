import { expect, it } from 'vitest'
import { databaseText } from '../../../src/cli/database-identity.ts'

it('names a database, where it is and as whom, in one line that no name can break', () => {
  const shop = { name: 'shopdb', host: '127.0.0.1', port: 5432, user: 'app_owner' }
  expect(databaseText(shop)).toBe('shopdb on 127.0.0.1:5432 as app_owner')
  expect(databaseText({ ...shop, host: '::1' })).toBe('shopdb on [::1]:5432 as app_owner')
  expect(databaseText({ ...shop, host: '/var/run/postgresql' })).toBe(
    'shopdb on /var/run/postgresql:5432 as app_owner',
  )
  expect(databaseText({ ...shop, name: 'a\nb\u001b[2J' })).toBe(
    String.raw`a\nb\u{1b}[2J on 127.0.0.1:5432 as app_owner`,
  )
})
