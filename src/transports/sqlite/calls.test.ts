/** Calls that take several turns, and what becomes of them when a turn fails. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { createCalls } from './calls.ts';

const failure = { error: new Error('refused'), outcome: null, answers: false };

test('a call that is larger than the budget is worked off over several turns, in order', async () => {
  const calls = createCalls<number, number>({ last: 0 });
  const answer = calls.push([1, 2, 3, 4, 5], 0);
  const seen: number[] = [];

  for (let turn = 0; turn < 3; turn++) {
    calls.work(2, (item) => seen.push(item) * 10);
    calls.commit();
  }

  assert.deepEqual(seen, [1, 2, 3, 4, 5]);
  assert.deepEqual(await answer, [10, 20, 30, 40, 50]);
  assert.equal(calls.isEmpty, true);
});

test('what was done in a turn that is taken back is done again', async () => {
  const calls = createCalls<string, string>({ last: 0 });
  const answer = calls.push(['a', 'b'], 0);

  calls.work(1, () => 'first');
  calls.commit();
  calls.work(5, () => 'lost');
  calls.rollback();
  calls.work(5, () => 'second');
  calls.commit();

  assert.deepEqual(await answer, ['first', 'second']);
});

test('a failed turn rejects the calls it worked on and leaves the others', async () => {
  const calls = createCalls<string, string>({ last: 0 });
  const first = calls.push(['a'], 0);
  const second = calls.push(['b'], 0);

  calls.work(1, () => 'lost');
  calls.fail(failure);
  calls.work(1, (item) => item);
  calls.commit();

  await assert.rejects(first, failure.error);
  assert.deepEqual(await second, ['b']);
});

test('a call of which a part is stored says so of that part', async () => {
  const calls = createCalls<string, string>({ last: 0 });
  const answer = calls.push(['a', 'b', 'c'], 0);

  calls.work(1, () => 'stored');
  calls.commit();
  calls.work(1, () => 'lost');
  calls.fail({ ...failure, outcome: 'refused' });

  assert.deepEqual(await answer, ['stored', 'refused', 'refused']);
});

test('an item that is put off stays, with all behind it', async () => {
  const calls = createCalls<string, string>({ last: 0 });
  const first = calls.push(['a', 'b'], 0);
  const second = calls.push(['c'], 0);
  const done: string[] = [];

  calls.work(9, (item) => (item === 'b' ? undefined : (done.push(item), item)));
  calls.commit();
  assert.deepEqual(done, ['a']);
  calls.work(9, (item) => item);
  calls.commit();

  assert.deepEqual(await first, ['a', 'b']);
  assert.deepEqual(await second, ['c']);
});

test('where time is over, one item is done all the same, and the others stay', async () => {
  const calls = createCalls<string, string>({ last: 0 });
  const first = calls.push(['a', 'b'], 0);
  const second = calls.push(['c'], 0);
  const done: string[][] = [];

  while (!calls.isEmpty) {
    const turn: string[] = [];
    const isOver = (): boolean => true;
    assert.equal(
      calls.work(9, (item) => (turn.push(item), item), isOver),
      1,
    );
    calls.commit();
    done.push(turn);
  }

  assert.deepEqual(done, [['a'], ['b'], ['c']]);
  assert.deepEqual([await first, await second], [['a', 'b'], ['c']]);
});

test('calls whose time is over end, the others stay', async () => {
  const calls = createCalls<string, string>({ last: 0 });
  const first = calls.push(['a'], 100);
  const second = calls.push(['b'], 200);

  calls.expire(100, failure);
  calls.work(9, (item) => item);
  calls.commit();

  await assert.rejects(first, failure.error);
  assert.deepEqual(await second, ['b']);
});

test('the reach of a budget is the first call that it does not finish', () => {
  const calls = createCalls<string, string>({ last: 0 }, (item) => item.length);
  void calls.push(['x', 'xxx'], 0);
  void calls.push(['xx'], 0);

  assert.equal(calls.reach(6), Number.POSITIVE_INFINITY);
  assert.equal(calls.reach(4), 2);
  assert.equal(calls.reach(1), 1);
});
