/** Each rule of the judge finds the history that breaks it, and lets the one that keeps it pass. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import type { Delivery } from '../../transport/transport.ts';
import { answered, newHistory, publishing, storyOf, type History } from './history.ts';
import {
  attemptsCount,
  factsHeld,
  neverEarly,
  onceOnly,
  orderPerKey,
  totalQueue,
} from './history-check.ts';
import { ack, retry, usualTopic, type Draft } from './settlements.ts';

const topics = new Set([usualTopic]);
const atomic = { atomicSettle: true, settlesForGood: true };

test('a message that was accepted and never done is lost', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a' }, { id: 'b' }, { id: 'c' }, { id: 'd' });
  done(history, 'a');
  history.cancelled.set('c', history.now());
  published(history, { id: 'unanswered' });

  assert.deepEqual(totalQueue(history, 'billing', topics), [
    'b was accepted and is lost in billing',
    'd was accepted and is lost in billing',
  ]);
});

test('a message that was refused, or that nobody published, must not come', () => {
  const history = newHistory('skip');
  published(history, { id: 'refused' });
  answered(history, 'refused', 'refused');
  come(history, { id: 'refused' });
  come(history, { id: 'stranger' });

  assert.deepEqual(totalQueue(history, 'billing', topics), [
    'refused was refused and came',
    'stranger came out of nowhere',
  ]);
});

test('a message is done once, and does not come after it was cancelled', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a' }, { id: 'b' });
  done(history, 'a');
  done(history, 'a');
  come(history, { id: 'b' });
  history.cancelled.set('b', history.now());
  assert.deepEqual(onceOnly(history, 'billing', atomic), ['a was acknowledged twice in billing']);

  come(history, { id: 'b' });
  history.died.add('a');
  const apart = onceOnly(history, 'billing', { ...atomic, atomicSettle: false });

  assert.deepEqual(apart, ['b came after it was cancelled']);
  assert.equal(onceOnly(history, 'billing', atomic).at(-1), 'b came after it was cancelled');
});

test('the story of a message says who did what with it, and who went in between', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a' }, { id: 'b' });
  settle(history, retry(come(history, { id: 'a' }), 0));
  history.departures.push({ process: 'process 2', how: 'crashed', at: history.now() });
  done(history, 'a');

  assert.deepEqual(storyOf(history, 'a').split('\n'), [
    '1: published by process 1 (publish), stored',
    '5: came to process 2 in billing, attempt 1, lease 1',
    '6: retry by process 2 in billing, lease 1: settled',
    '7: process 2 crashed',
    '8: came to process 2 in billing, attempt 1, lease 1',
    '9: ack by process 2 in billing, lease 1: settled',
  ]);
});

test('a key is done in the order of acceptance, where one was before the other', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a', key: 'k' });
  accept(history, { id: 'b', key: 'k' });
  accept(history, { id: 'x', key: 'other' });
  for (const id of ['x', 'b', 'a']) done(history, id);

  assert.deepEqual(orderPerKey(history, 'billing'), ['key k: b was done before a']);
});

test('what a dead process settled may come again only where settlements may be forgotten', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a' }, { id: 'b' });
  for (const id of ['a', 'a', 'b', 'b']) done(history, id);
  history.settledByDead.add('a');
  const forgetting = { ...atomic, settlesForGood: false };

  assert.equal(onceOnly(history, 'billing', atomic).length, 2);
  assert.deepEqual(onceOnly(history, 'billing', forgetting), [
    'b was acknowledged twice in billing',
  ]);
});

test('the order of what was delayed, or died and was skipped, is its own', () => {
  const history = newHistory('skip');
  accept(history, { id: 'delayed', key: 'k', delayMs: 10 });
  accept(history, { id: 'dead', key: 'k' });
  accept(history, { id: 'b', key: 'k' });
  history.died.add('dead');
  for (const id of ['b', 'dead', 'delayed']) done(history, id);
  assert.deepEqual(orderPerKey(history, 'billing'), []);

  const blocking = { ...history, onDead: 'block' as const };

  assert.deepEqual(orderPerKey(blocking, 'billing'), ['key k: b was done before dead']);
});

test('what two processes publish at the same time may come in either order', () => {
  const history = newHistory('skip');
  published(history, { id: 'a', key: 'k' }, 'process 1');
  published(history, { id: 'b', key: 'k' }, 'process 2');
  published(history, { id: 'c', key: 'k' }, 'process 2');
  for (const id of ['a', 'b', 'c']) answered(history, id, 'stored');
  for (const id of ['c', 'b', 'a']) done(history, id);

  assert.deepEqual(orderPerKey(history, 'billing'), ['key k: c was done before b']);
});

test('nothing comes before its delay or its back-off is over', () => {
  const history = newHistory('skip');
  accept(history, { id: 'delayed', delayMs: 50 });
  accept(history, { id: 'failed' });
  settle(history, retry(come(history, { id: 'failed' }), 30));
  come(history, { id: 'failed' }, 29);
  come(history, { id: 'delayed' }, 45);

  assert.deepEqual(neverEarly(history), [
    'failed came 1 ms before its retry',
    'delayed came 5 ms before its delay was over',
  ]);
});

test('an attempt is never lower than before, and higher after a failure', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a' }, { id: 'b' });
  settle(history, retry(come(history, { id: 'a', attempt: 2 }), 0));
  come(history, { id: 'a', attempt: 2 });
  come(history, { id: 'b', attempt: 2 });
  come(history, { id: 'b', attempt: 1 });

  assert.deepEqual(attemptsCount(history), [
    'a in billing came with attempt 2 after 2',
    'b in billing came with attempt 1 after 2',
  ]);
});

test('a message that waits for a fact does not come before anybody opened it', () => {
  const history = newHistory('skip');
  accept(history, { id: 'a', facts: ['customer:1', 'customer:2'] });
  history.fulfilled.add('customer:1');
  come(history, { id: 'a' });

  assert.deepEqual(factsHeld(history), ['a came without customer:2']);
});

function published(history: History, draft: Draft, process = 'process 1'): void {
  const named = { topic: usualTopic, key: null, ...draft };
  publishing(history, { process, means: 'publish', clockAt: 0 }, [named]);
}

function accept(history: History, ...drafts: readonly Draft[]): void {
  for (const draft of drafts) {
    published(history, draft);
    answered(history, draft.id, 'stored');
  }
}

function come(history: History, given: Partial<Delivery> & { id: string }, clockAt = 0): Delivery {
  const delivery: Delivery = {
    lease: { id: 1, token: 1 },
    subscription: 'billing',
    topic: usualTopic,
    body: '',
    headers: null,
    key: null,
    acceptedAt: 0,
    attempt: 1,
    suspicion: 'none',
    waitTimedOut: false,
    lacking: [],
    tag: 0,
    ...given,
  };
  history.deliveries.push({ by: 'process 2', delivery, at: history.now(), clockAt });
  return delivery;
}

function settle(history: History, settlement: ReturnType<typeof ack>): void {
  history.settlements.push({
    by: 'process 2',
    settlement,
    calledAt: history.now(),
    clockAt: 0,
    outcome: 'settled',
  });
}

function done(history: History, id: string): void {
  settle(history, ack(come(history, { id })));
}
