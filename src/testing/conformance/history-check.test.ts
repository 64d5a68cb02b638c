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
  leave(history, 'process 2', 'crashed');
  tell(history, 'process 3', 'partition-taken');
  done(history, 'a');

  assert.deepEqual(storyOf(history, 'a').split('\n'), [
    '1: published by process 1 (publish) without a key, stored',
    '5: came to process 2 in billing, attempt 1, lease 1, token 1',
    '6: retry by process 2 in billing, lease 1: settled',
    '7: process 2 crashed',
    '8: process 3 took partition 0 of billing',
    '9: came to process 2 in billing, attempt 1, lease 1, token 1',
    '10: ack by process 2 in billing, lease 1: settled',
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

const apart = { ...atomic, atomicSettle: false };
const twice = ['a was acknowledged twice in billing'];

/** `a` is done twice, by process 2 each time. */
function doneTwice(
  before: (history: History) => void,
  between: (history: History) => void,
): History {
  const history = newHistory('skip');
  accept(history, { id: 'a' });
  before(history);
  done(history, 'a');
  between(history);
  done(history, 'a');
  return history;
}

test('what was moved may come again after a death, once another has taken over', () => {
  const dies = (history: History): void => leave(history, 'process 3', 'crashed');
  const closes = (history: History): void => leave(history, 'process 2', 'closed');
  const letsGo = (history: History): void => tell(history, 'process 2', 'partition-let-go');

  for (const changes of [closes, letsGo]) {
    const history = doneTwice(dies, changes);
    assert.deepEqual(onceOnly(history, 'billing', apart), []);
    assert.deepEqual(onceOnly(history, 'billing', atomic), twice);
  }
});

test('a second ack is wrong where nobody died, or who had it has it still', () => {
  const nothing = (): void => undefined;
  const dies = (history: History): void => leave(history, 'process 3', 'crashed');
  const closes = (history: History): void => leave(history, 'process 2', 'closed');
  const letsGo = (history: History): void => tell(history, 'process 2', 'partition-let-go');
  const others = (history: History): void => {
    tell(history, 'process 3', 'partition-let-go');
    tell(history, 'process 2', 'partition-let-go', 'audit');
    tell(history, 'process 2', 'partition-taken');
  };

  const wrong = [
    doneTwice(nothing, closes),
    doneTwice(nothing, letsGo),
    doneTwice(dies, nothing),
    doneTwice(letsGo, dies),
    doneTwice(dies, others),
  ];
  for (const history of wrong) assert.deepEqual(onceOnly(history, 'billing', apart), twice);
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

function leave(history: History, process: string, how: 'crashed' | 'closed'): void {
  history.departures.push({ process, how, at: history.now() });
}

function tell(
  history: History,
  process: string,
  kind: 'partition-taken' | 'partition-let-go',
  subscription = 'billing',
): void {
  const event = { kind, subscription, partition: 0 };
  history.told.push({ process, event, at: history.now() });
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
