/** Where the randomness of a property test comes from. */

/** The seed of this run, or the one that `PARTSMITH_SEED` repeats. It is printed, so that a failure can be repeated. */
export function printedSeed(file: string): number {
  const given = Number(process.env['PARTSMITH_SEED'])
  const seed = Number.isInteger(given) && given !== 0 ? given : Math.floor(Math.random() * 2 ** 31) + 1
  console.info(`${file}: PARTSMITH_SEED=${seed}`)
  return seed
}
