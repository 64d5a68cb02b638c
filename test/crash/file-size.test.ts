/** A limit on the size of files, as `ulimit -f` sets it. */
import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { createBus } from 'malote';
import { sqlite } from 'malote/sqlite';
import { expect, test } from 'vitest';
import { shell } from '../support/command.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { subscription, workAsked } from './acts.ts';

/** Of 512 bytes: less than the write-ahead log takes. */
const blocks = 8_000;

test('a file that may not grow ends its bus by name, with all that was accepted and no more', async () => {
  const file = join(temporaryFolder(), 'queue.db');
  const first = createBus({ engine: sqlite(file), logger: false });
  await first.subscribe(subscription, [workAsked]);
  await first.stop();

  const limited = `ulimit -f ${blocks}; exec "$0" "$@"`;
  const child = resolve('test/crash/child-filler.ts');
  const { execPath } = process;
  const run = await shell(limited, execPath, '--conditions=malote-source', child, file);
  assert.equal(run.status, 0, run.output);
  const { accepted, refusals } = JSON.parse(run.stdout) as Record<string, string[]>;

  expect(accepted!.length).toBeGreaterThan(10);
  assert.deepEqual(refusals, ['INDETERMINATE', 'ENGINE_FAILED']);
  const next = createBus({ engine: sqlite(file), logger: false });
  assert.equal((await next.subscriptions.stats(subscription)).ready, accepted!.length);
  for (const id of accepted!) assert.equal((await next.messages.get(id))[0]?.state, 'ready', id);
  await next.stop();
});
