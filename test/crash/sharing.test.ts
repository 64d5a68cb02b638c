/** Processes that consume one subscription share its messages, from the moment they come. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { acts, go, isEmpty, labelsOf, numbered, openStage } from './stage.ts';

test('two workers share a subscription, and a third that joins gets what is left', async () => {
  await using stage = await openStage(temporaryFolder(), { concurrency: 2 });
  const first = await stage.enter('first');
  const second = await stage.enter('second');
  const loose = numbered('loose ', 3);
  const ordered = numbered('ordered ', 3);
  await stage.publish(
    ...acts('hold', null, loose),
    ...ordered.flatMap((label) => acts('hold', label, [label])),
  );
  await Promise.all([first.noticesOf('start', 2), second.noticesOf('start', 2)]);

  const third = await stage.enter('third');
  await third.noticesOf('start', 2);

  const all = [first, second, third].map((child) => labelsOf(child, 'start'));
  assert.deepEqual(
    all.map(({ length }) => length),
    [2, 2, 2],
  );
  assert.deepEqual(all.flat().toSorted(), [...loose, ...ordered].toSorted());
  for (const child of [first, second, third]) go(child, [...loose, ...ordered]);
  await stage.until(isEmpty);
});

test('under load all three do a part, and nothing is done twice', async () => {
  await using stage = await openStage(temporaryFolder(), { concurrency: 2 });
  const workers = [await stage.enter('first'), await stage.enter('second')];
  let batches = 0;
  const loadUntil = async (isShared: () => boolean): Promise<void> => {
    while (!isShared()) {
      batches += 1;
      const key = `key ${batches % 7}`;
      await stage.publish(
        ...acts('quick', null, numbered(`loose ${batches}.`, 10)),
        ...acts('quick', key, numbered(`ordered ${batches}.`, 10)),
      );
    }
  };
  const allWork = (): boolean => workers.every((child) => labelsOf(child, 'end').length > 20);
  await loadUntil(allWork);
  workers.push(await stage.enter('third'));
  await loadUntil(allWork);
  const { done } = await stage.until(isEmpty);

  const ended = stage.ended();
  console.log(`shares: ${workers.map((one) => labelsOf(one, 'end').length).join(', ')}`);
  assert.equal(done, batches * 20);
  assert.deepEqual([ended.length, new Set(ended).size], [done, done]);
});
