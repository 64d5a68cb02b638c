/** SIGTERM, as service managers send it before they lose patience. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { acts, go, labelsOf, numbered, type OpenStage } from './stage.ts';

export function stoppingCases(open: OpenStage): void {
  test('SIGTERM finishes what runs, gives back the rest unspent, and ends with 0', async () => {
    await using stage = await open({ concurrency: 2 });
    const worker = await stage.enter('worker');
    const warmUp = numbered('warm-up ', 600);
    await stage.publish(...acts('quick', null, warmUp));
    await stage.drained();
    const loose = numbered('loose ', 10);
    const ordered = numbered('ordered ', 10);
    await stage.publish(...acts('hold', null, loose), ...acts('hold', 'a', ordered));
    await worker.noticesOf('start', warmUp.length + 2);
    const running = labelsOf(worker, 'start').slice(warmUp.length);
    // Fast handlers taught it to ask for more than it can run at once.
    const { leased } = await stage.until((stats) => stats.leased > 2);

    worker.signal('SIGTERM');
    await worker.noticesOf('asked-to-stop', 1);
    const heir = await stage.enter('heir');
    go(heir, [...loose, ...ordered]);
    go(worker, running);
    const { code, signal } = await worker.ended;
    await stage.drained();

    console.log(`${leased} were held, ${running.length} of them ran`);
    assert.deepEqual([code, signal], [0, null]);
    assert.deepEqual(labelsOf(worker, 'end').slice(warmUp.length).toSorted(), running.toSorted());
    const given = [...loose, ...ordered].filter((label) => !running.includes(label));
    assert.deepEqual(labelsOf(heir, 'start').toSorted(), given.toSorted());
    assert.ok(
      heir.notices.every(({ attempt = 1 }) => attempt === 1),
      'an attempt was spent',
    );
    const began = stage.began();
    assert.equal(new Set(began).size, began.length, 'something ran twice');
  });

  test('a second SIGTERM ends the process with 1 at once, and its messages come again', async () => {
    await using stage = await open();
    const worker = await stage.enter('worker');
    await stage.publish(...acts('hold', 'a', ['held']));
    await worker.noticesOf('start', 1);
    worker.signal('SIGTERM');
    await worker.noticesOf('asked-to-stop', 1);

    worker.signal('SIGTERM');
    const { code } = await worker.ended;

    assert.equal(code, 1);
    const heir = await stage.enter('heir');
    const again = await heir.notice(({ kind }) => kind === 'start');
    assert.deepEqual([again.label, again.attempt], ['held', 2]);
  });
}
