/**
 * What `npm test` runs: every test by vitest, then one last line `N passed, N failed`.
 * Types, lint and format are tests too (`test/package/checks.test.ts`), so they are counted.
 *
 * Arguments go to vitest: `npm test -- src/policy`. With `MALOTE_REQUIRE=all` a test that did not
 * run is a failure; without it, it is listed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tally } from './tally.ts';

const folder = mkdtempSync(join(tmpdir(), 'malote-tally-'));
const file = join(folder, 'tally.json');

const run = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--reporter=default',
    '--reporter=./scripts/tally.ts',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit', env: { ...process.env, MALOTE_TALLY: file } },
);

const tally = read() ?? { passed: 0, failed: 0, notRun: [] };
rmSync(folder, { recursive: true });

for (const name of tally.notRun) console.log(`not run: ${name}`);
if (process.env['MALOTE_REQUIRE'] === 'all') tally.failed += tally.notRun.length;

// Whatever else went wrong (a crash, no tests at all) is a failure nobody has counted yet.
const uncounted = run.status !== 0 || tally.passed === 0;
if (uncounted && tally.failed === 0) {
  console.log(`vitest ended with ${run.signal ?? run.status} and ${tally.passed} tests passed`);
  tally.failed = 1;
}

console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exitCode = tally.failed === 0 ? 0 : 1;

function read(): Tally | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Tally;
  } catch {
    return undefined;
  }
}
