/** Several processes write one file at once: each gets its turn, and none hears of the others. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { RusherSetup } from './child-rusher.ts';
import { openStage } from './stage.ts';

const messages = 1_500;

test('two publishers and a worker on one file: no publish is refused because it is busy', {
  timeout: 60_000,
}, async () => {
  const folder = temporaryFolder();
  await using stage = await openStage(folder, { concurrency: 8 });
  await stage.enter('worker');
  const setup = { engine: stage.engine, histories: folder, seed: 0, messages, atOnce: 8 };
  const publishers = ['left', 'right'].map((name) =>
    stage.fleet.start('child-rusher.ts', name, { ...setup, name } satisfies RusherSetup),
  );

  const told = await Promise.all(
    publishers.map((one) => one.notice(({ kind }) => kind === 'published')),
  );
  const { done } = await stage.drained();

  assert.deepEqual(
    told.map(({ accepted, codes }) => ({ accepted, codes })),
    [0, 1].map(() => ({ accepted: messages, codes: {} })),
  );
  assert.equal(done, 2 * messages);
  const ended = stage.ended();
  assert.deepEqual([ended.length, new Set(ended).size], [done, done]);
});
