/** A stop settles although nothing else keeps the process alive: shown by a process of its own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';

const folder = temporaryFolder();
const program = `
  import { createBus, fixed, message } from 'malote';
  import { sqlite } from 'malote/sqlite';
  const bus = createBus({ engine: sqlite(process.argv[1]), handleSignals: false, logger: false });
  const type = message('t');
  const failed = new Promise((resolve) => {
    bus.consume(type, { name: 's', retry: { backoff: fixed('5s') } }, () => {
      resolve();
      throw new Error('x');
    });
  });
  await bus.start();
  await bus.publish(type, { n: 0 });
  await failed;
  await bus.stop();
  console.log('stopped');
`;

test('a bus that stops right after a failed attempt ends by itself, and its process with 0', () => {
  const given = ['--conditions=malote-source', '--input-type=module', '-e', program];
  const result = spawnSync(process.execPath, [...given, join(folder, 'alone.db')], {
    encoding: 'utf8',
  });
  assert.deepEqual([result.stdout.trim(), result.stderr, result.status], ['stopped', '', 0]);
});
