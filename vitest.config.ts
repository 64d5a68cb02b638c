/**
 * How the tests run: one process per file, two at a time, and `malote/...` resolved to `src/`,
 * so that tests enter by the same door as users.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['malote-source'] },
  ssr: { resolve: { conditions: ['malote-source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    execArgv: ['--conditions=malote-source'],
  },
});
