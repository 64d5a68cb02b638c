/**
 * A reporter that counts. It writes what a run came to as JSON into the file named by
 * `MALOTE_TALLY`; `scripts/test.ts` prints it. No file means that the run did not end.
 */
import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export interface Tally {
  passed: number;
  failed: number;
  /** Full names of tests that did not run. */
  readonly notRun: string[];
}

/** A class and the default export, because vitest asks for both. */
export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const tally: Tally = { passed: 0, failed: unhandledErrors.length, notRun: [] };
    for (const module of modules) count(module, tally);
    const file = process.env['MALOTE_TALLY'];
    if (file !== undefined) writeFileSync(file, JSON.stringify(tally));
  }
}

function count(module: TestModule, tally: Tally): void {
  // A file that fails to load holds no tests, a failing hook belongs to none: each is a failure.
  tally.failed += module.errors().length;
  for (const suite of module.children.allSuites()) tally.failed += suite.errors().length;
  for (const test of module.children.allTests()) {
    const { state } = test.result();
    if (state === 'passed') tally.passed += 1;
    else if (state === 'failed') tally.failed += 1;
    else tally.notRun.push(`${module.relativeModuleId} > ${test.fullName}`);
  }
}
