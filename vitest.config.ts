import { defineConfig } from 'vitest/config'
import type { ViteUserConfig } from 'vitest/config'
import { ClosingLine } from './test/support/closing-line.ts'

/** Tests in these folders run without any server. */
const pure = [
  'test/architecture.test.ts',
  'test/architecture/**/*.test.ts',
  'test/unit/**/*.test.ts',
  'test/types/**/*.test.ts',
  'test/support/**/*.test.ts',
]

const config: ViteUserConfig = defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    reporters: ['default', new ClosingLine()],
    projects: [
      { extends: true, test: { name: 'pure', include: pure } },
      {
        extends: true,
        test: {
          name: 'servers',
          include: ['test/**/*.test.ts'],
          exclude: pure,
          globalSetup: ['test/support/servers.ts', 'test/support/redis-server.ts'],
        },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      reporter: ['text', 'json-summary'],
      thresholds: { lines: 90 },
    },
  },
})

export default config
