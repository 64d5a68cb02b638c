/**
 * How the tests run: one process per file, two at a time, and `malote/...` resolved to `src/`,
 * so that tests enter by the same door as users. Programs that tests start keep their compiled form:
 * a process of malote is up in a third of the time, and a campaign starts hundreds.
 */
import { resolve } from 'node:path';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  ssr: { resolve: { conditions: ['malote-source', 'node'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    execArgv: ['--conditions=malote-source'],
    env: { NODE_COMPILE_CACHE: resolve('node_modules/.cache/malote-tests') },
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    allowOnly: false,
  },
});

export default config;
