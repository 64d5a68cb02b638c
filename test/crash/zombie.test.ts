/**
 * A process that is stopped for longer than its lease and then goes on: a long collection of
 * garbage, a suspended machine. Others have its messages by then, and what it says is not heard.
 */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { acts, freeze, go, labelsOf, openStage } from './stage.ts';

const leaseMs = 300;
const held = ['ordered 1', 'ordered 2', 'loose 1', 'loose 2'];

test('a process that slept through its lease is told, and settles nothing', async () => {
  await using stage = await openStage(temporaryFolder());
  const sleeper = await stage.enter('sleeper', { lease: leaseMs });
  await stage.publish(
    ...acts('hold', 'a', ['ordered 1', 'behind 1']),
    ...acts('hold', 'b', ['ordered 2']),
    ...acts('hold', null, ['loose 1', 'loose 2']),
  );
  await sleeper.noticesOf('start', 4);
  freeze(sleeper);

  const heir = await stage.enter('heir', { concurrency: 8 });
  go(heir, [...held, 'behind 1']);
  const before = await stage.drained();
  assert.deepEqual(labelsOf(heir, 'end').toSorted(), [...held, 'behind 1'].toSorted());
  sleeper.signal('SIGCONT');
  await sleeper.noticesOf('lease-lost', 4);
  const aborted = await sleeper.noticesOf('aborted', 4);
  go(sleeper, held);
  await sleeper.noticesOf('end', 4);
  sleeper.signal('SIGTERM');
  const { code } = await sleeper.ended;

  assert.equal(code, 0);
  assert.deepEqual(labelsOf(sleeper, 'lease-lost').toSorted(), held.toSorted());
  assert.deepEqual(labelsOf(sleeper, 'aborted').toSorted(), held.toSorted());
  assert.deepEqual(new Set(aborted.map((notice) => notice.code)), new Set(['LEASE_LOST']));
  assert.deepEqual(await stage.drained(), before);
  assert.deepEqual([before.done, before.dead], [5, 0]);
  assert.deepEqual(twice(stage.ended()), held.toSorted(), 'only what it held was done twice');
});

test('an ack that comes after the lease was lost changes nothing', async () => {
  await using stage = await openStage(temporaryFolder());
  const sleeper = await stage.enter('sleeper', { lease: leaseMs, concurrency: 1 });
  await stage.publish(...acts('freeze', 'a', ['late']), ...acts('hold', 'a', ['next']));
  await sleeper.noticesOf('start', 1);

  const heir = await stage.enter('heir');
  await heir.notice(({ kind, label }) => kind === 'start' && label === 'next');
  const before = await stage.until(({ done }) => done === 1);
  sleeper.signal('SIGCONT');
  const lost = await sleeper.notice(({ kind }) => kind === 'lease-lost');

  assert.equal(lost.label, 'late');
  assert.deepEqual(labelsOf(sleeper, 'end'), ['late'], 'its handler had ended well');
  assert.deepEqual(await stage.until(() => true), before);
  go(heir, ['next']);
  const { done, dead } = await stage.drained();
  assert.deepEqual([done, dead], [2, 0]);
  assert.deepEqual(twice(stage.ended()), ['late']);
});

function twice(labels: readonly string[]): string[] {
  return labels.filter((label, index) => labels.indexOf(label) < index).toSorted();
}
