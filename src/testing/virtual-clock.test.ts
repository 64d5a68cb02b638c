/** The virtual clock is what tests of time rest on, so it is tested by hand. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { settleTurns, virtualClock } from './virtual-clock.ts';

test('time stands still until it is moved', async () => {
  const clock = virtualClock(1_000);
  let fired = 0;
  clock.setTimer(() => void fired++, 0);
  await settleTurns();
  assert.deepEqual([clock.now(), clock.monotonic(), fired], [1_000, 0, 0]);

  await clock.advance('1.5s');

  assert.deepEqual([clock.now(), clock.monotonic(), fired], [2_500, 1_500, 1]);
});

test('timers fire in the order they are due, each at its own time', async () => {
  const clock = virtualClock(0);
  const fired: string[] = [];
  const note = (name: string) => (): void => void fired.push(`${name} at ${clock.now()}`);
  clock.setTimer(note('late'), 30);
  clock.setTimer(note('first'), 10);
  clock.setTimer(note('second'), 10);
  clock.setTimer(note('never'), 51);

  await clock.advance(50);

  assert.deepEqual(fired, ['first at 10', 'second at 10', 'late at 30']);
});

test('what a timer begins is done before the next one fires, and new ones count', async () => {
  const clock = virtualClock(0);
  const seen: string[] = [];
  clock.setTimer(() => {
    void Promise.resolve().then(() => seen.push('promise'));
    setImmediate(() => seen.push('turn'));
    clock.setTimer(() => seen.push(`nested at ${clock.now()}`), 5);
  }, 10);
  clock.setTimer(() => seen.push('next'), 11);

  await clock.advance(20);

  assert.deepEqual(seen, ['promise', 'turn', 'next', 'nested at 15']);
});

test('a cancelled timer does not fire, also when another of its moment cancels it', async () => {
  const clock = virtualClock(0);
  const fired: string[] = [];
  clock.setTimer(() => second.cancel(), 10).unref();
  const first = clock.setTimer(() => fired.push('first'), 5);
  const second = clock.setTimer(() => fired.push('second'), 10);
  first.cancel();

  await clock.advance(20);

  assert.deepEqual(fired, []);
});

test('advances that overlap take their turn', async () => {
  const clock = virtualClock(0);
  const times: number[] = [];
  clock.setTimer(() => times.push(clock.now()), 100);
  clock.setTimer(() => times.push(clock.now()), 250);

  await Promise.all([clock.advance(200), clock.advance(100)]);

  assert.deepEqual([times, clock.now()], [[100, 250], 300]);
});

test('a timer that throws fails its advance, and the clock goes on', async () => {
  const clock = virtualClock(0);
  clock.setTimer(() => assert.fail('broken'), 10);
  await assert.rejects(clock.advance(20), /broken/);

  await clock.advance(20);

  assert.equal(clock.now(), 30);
});
