/** Processes that consume one subscription share its messages, from the moment they come. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { acts, go, labelsOf, numbered, type OpenStage } from './stage.ts';

export function sharingCases(open: OpenStage): void {
  test('under load all three do a part, and nothing is done twice', async () => {
    await using stage = await open({ concurrency: 2 });
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
    await stage.drained();

    const ended = stage.ended();
    console.log(`shares: ${workers.map((one) => labelsOf(one, 'end').length).join(', ')}`);
    const published = batches * 20;
    assert.deepEqual([ended.length, new Set(ended).size], [published, published]);
  });
}

/** What a process has no slot for is left to those that have. */
export function looseCases(open: OpenStage): void {
  test('messages without order go to whoever has a slot, also to a process that joins', async () => {
    await using stage = await open({ concurrency: 2 });
    const workers = [await stage.enter('first'), await stage.enter('second')];
    const loose = numbered('loose ', 7);
    await stage.publish(...acts('hold', null, loose));
    await Promise.all(workers.map((child) => child.noticesOf('start', 2)));

    workers.push(await stage.enter('third', { concurrency: 1 }));
    workers.push(await stage.enter('fourth'));
    await Promise.all(workers.slice(2).map((child, index) => child.noticesOf('start', index + 1)));

    const started = workers.map((child) => labelsOf(child, 'start'));
    assert.deepEqual(
      started.map(({ length }) => length),
      [2, 2, 1, 2],
    );
    assert.deepEqual(started.flat().toSorted(), loose);
    for (const child of workers) go(child, loose);
    await stage.drained();
    assert.deepEqual(stage.ended().toSorted(), loose);
  });

  test('what was fetched beside keys that took the slots goes to others', async () => {
    await using stage = await open({ concurrency: 2 });
    const first = await stage.enter('first');
    const loose = numbered('loose ', 4);
    const ordered = numbered('ordered ', 4);
    await stage.publish(
      ...ordered.flatMap((label) => acts('hold', label, [label])),
      ...acts('hold', null, loose),
    );
    await first.noticesOf('start', 2);

    const second = await stage.enter('second', { concurrency: 8 });
    const isLoose = (label: string): boolean => label.startsWith('loose');
    const left = (): string[] => loose.filter((label) => !labelsOf(first, 'start').includes(label));
    await second.notice(() => labelsOf(second, 'start').filter(isLoose).length === left().length);

    assert.deepEqual(labelsOf(second, 'start').filter(isLoose).toSorted(), left());
    for (const child of [first, second]) go(child, [...loose, ...ordered]);
    await stage.drained();
    assert.deepEqual(stage.ended().toSorted(), [...loose, ...ordered]);
  });
}

/** An engine that hands out whole partitions cannot give away a key of one that is at work. */
export function leftoverCases(open: OpenStage): void {
  test('two workers share a subscription, and a third that joins gets what is left', async () => {
    await using stage = await open({ concurrency: 2 });
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
    await stage.drained();
  });
}
