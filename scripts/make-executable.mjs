import { chmodSync } from 'node:fs'

// npm does this where the package is installed; in a checkout nobody does. Windows goes by the name and ignores it.
chmodSync(new URL('../dist/cli/main.js', import.meta.url), 0o755)
