/** Time-outs of attempts that share a start, a list and a timer. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { type VirtualClock, virtualClock } from '../testing/virtual-clock.ts';
import type { Attempt } from './attempt.ts';
import { createDeadlines, type Deadlines } from './deadlines.ts';

test('attempts expire in the order of their starts and are given up after a grace', async () => {
  const { deadlines, clock, history } = create();
  start(deadlines, attempt('a'), attempt('b'));
  await clock.advance(40);
  start(deadlines, attempt('c'));

  await clock.advance(59);
  assert.deepEqual(history, []);
  await clock.advance(1);
  assert.deepEqual(history, ['a expired', 'b expired']);
  await clock.advance(40);
  assert.deepEqual(history, ['a expired', 'b expired', 'c expired']);
  await clock.advance(60);
  assert.deepEqual(history.slice(3), ['a given up', 'b given up']);
});

test('an attempt that starts while others still do is not cut short', async () => {
  const { deadlines, clock, history } = create();
  deadlines.add(attempt('slow to start'));
  await clock.advance(30);
  deadlines.add(attempt('last'));
  deadlines.started();

  await clock.advance(99);
  assert.deepEqual(history, []);
  await clock.advance(1);
  assert.deepEqual(history, ['slow to start expired', 'last expired']);
});

test('an attempt that was concluded neither expires nor is given up', async () => {
  const { deadlines, clock, history } = create();
  const [quick, late, stuck] = [attempt('quick'), attempt('late'), attempt('stuck')];
  start(deadlines, quick, late, stuck);
  deadlines.remove(quick);
  deadlines.remove(quick);
  await clock.advance(100);
  deadlines.remove(late);
  assert.deepEqual(namesOf(deadlines), ['stuck']);
  await clock.advance(1_000);
  assert.deepEqual(history, ['late expired', 'stuck expired', 'stuck given up']);
  assert.deepEqual(namesOf(deadlines), []);
});

function create(): { deadlines: Deadlines; clock: VirtualClock; history: string[] } {
  const clock = virtualClock();
  const history: string[] = [];
  const deadlines = createDeadlines({
    clock,
    timeoutMs: 100,
    expire: ({ delivery }) => history.push(`${delivery.id} expired`),
    abandon: ({ delivery }) => history.push(`${delivery.id} given up`),
  });
  return { deadlines, clock, history };
}

function start(deadlines: Deadlines, ...attempts: Attempt[]): void {
  for (const one of attempts) deadlines.add(one);
  deadlines.started();
}

/** As much of an attempt as deadlines look at. */
function attempt(id: string): Attempt {
  const links = { list: null, start: { at: 0 }, previous: null, next: null };
  return { delivery: { id }, ...links } as unknown as Attempt;
}

function namesOf({ running }: Deadlines): string[] {
  return [...running].map(({ delivery }) => delivery.id);
}
