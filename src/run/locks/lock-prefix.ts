import { InvalidPartitionConfigError } from '../../errors.ts'

const defaultPrefix = 'pg-partsmith'

/** The prefix of a lock's key. Braces are refused as Redis reads them as the part of a key that chooses the node. */
export function checkLockPrefix(prefix: string = defaultPrefix): string {
  if (typeof prefix === 'string' && prefix !== '' && !/[{}\0]/.test(prefix)) return prefix
  throw new InvalidPartitionConfigError(
    `The prefix of a lock must be a text that is not empty and holds no braces; it is ${JSON.stringify(prefix)}.`,
  )
}
