/** How much of the shared queue a process asks for, by what its handlers do. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { type Change, type Feed, nextChange } from './shared-window.ts';

type Mutable = { -readonly [Name in keyof Feed]: Feed[Name] };

/** Changes the window until there is nothing to change; answers the limits of what is open. */
function settle(feeds: Mutable[], room: { messages: number; ahead: number }): number[] {
  for (let steps = 0; steps < 20; steps++) {
    const change: Change<Mutable> | null = nextChange(feeds, room);
    if (change === null) return feeds.flatMap((one) => (one.isOpen ? [one.limit] : []));
    if (change.open > 0) feeds.push({ limit: change.open, unacked: 0, isOpen: true });
    for (const feed of change.close) feed.isOpen = false;
  }
  throw new Error('it changes for ever');
}

const feed = (limit: number, unacked: number): Mutable => ({ limit, unacked, isOpen: true });

/** The most that can be here. */
function capacity(feeds: readonly Feed[]): number {
  return feeds.reduce((sum, { isOpen, limit, unacked }) => sum + (isOpen ? limit : unacked), 0);
}

test('slow handlers have exactly as many as their slots', () => {
  assert.deepEqual(settle([], { messages: 1, ahead: 0 }), [1]);
  assert.deepEqual(settle([], { messages: 10, ahead: 0 }), [10]);
});

test('slots that have become free get what they can take', () => {
  const feeds = [feed(10, 10)];

  assert.deepEqual(settle(feeds, { messages: 16, ahead: 0 }), [10, 6]);
});

test('slots that others have taken ask for nothing', () => {
  const feeds = [feed(10, 3)];

  assert.deepEqual(settle(feeds, { messages: 3, ahead: 0 }), []);
  assert.equal(capacity(feeds), 3);
});

test('what came by a closed feed has its place until it is done', () => {
  const feeds = [feed(10, 4)];
  settle(feeds, { messages: 6, ahead: 0 });
  assert.equal(capacity(feeds), 6);

  feeds[0]!.unacked = 0;

  settle(feeds, { messages: 6, ahead: 0 });
  assert.equal(capacity(feeds), 6);
});

test('fast handlers get as much again as they were granted beyond their slots', () => {
  assert.deepEqual(settle([], { messages: 200, ahead: 100 }), [300]);
  assert.deepEqual(settle([feed(300, 300)], { messages: 400, ahead: 300 }), [300, 400]);
});

test('the window of fast handlers stays as it is while it is not far too large', () => {
  assert.deepEqual(settle([feed(300, 10)], { messages: 90, ahead: 80 }), [300]);
  assert.deepEqual(settle([feed(300, 10)], { messages: 20, ahead: 10 }), [30]);
});

test('handlers that have become slow are left with what their slots can take', () => {
  const feeds = [feed(300, 40)];

  settle(feeds, { messages: 10, ahead: 0 });

  assert.equal(capacity(feeds), 40);
  feeds[0]!.unacked = 8;
  settle(feeds, { messages: 10, ahead: 0 });
  assert.equal(capacity(feeds), 10);
});

test('a window never has more feeds than it can do with', () => {
  const feeds: Mutable[] = [];
  for (let messages = 1; messages <= 100; messages++) settle(feeds, { messages, ahead: 1 });
  for (let messages = 1; messages <= 100; messages++) settle(feeds, { messages, ahead: 0 });

  assert.ok(feeds.filter(({ isOpen }) => isOpen).length <= 16);
  assert.equal(capacity(feeds), 100);
});
