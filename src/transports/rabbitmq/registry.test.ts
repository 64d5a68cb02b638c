/** What comes late says nothing of a later subscription of the same name. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { namesOf } from './names.ts';
import { createRegistry, type Registry, type SubscriptionRecord } from './registry.ts';

const names = namesOf('late');
const subscribed: SubscriptionRecord = {
  name: 'notes',
  spec: {
    name: 'notes',
    topics: ['note'],
    from: 'kept',
    order: 'none',
    onDead: 'skip',
    waits: false,
    waitingDeadlineMs: 1,
    waitingOrder: 'key',
    maxDepth: 1,
  } as unknown as SubscriptionRecord['spec'],
  state: 'subscribed',
  isPaused: false,
  partitions: 2,
  generation: 'second',
};

function registryAfter(...records: readonly SubscriptionRecord[]): Registry {
  const registry = createRegistry({ names, partitions: 2, changed: () => undefined });
  for (const record of records) registry.read(record);
  return registry;
}

test.each(['leaving', 'gone'] as const)('that the one before is %s', (state) => {
  const late = { ...subscribed, state, generation: 'first' };

  const there = registryAfter(subscribed, late);
  const leaving = registryAfter(subscribed, { ...subscribed, state: 'leaving' }, late);

  assert.deepEqual([...there.byName.keys()], ['notes']);
  assert.equal(leaving.leaving.get('notes')?.generation, 'second');
});

test.each(['subscribed', 'leaving'] as const)(
  '%s, of what is gone, nor brings it back',
  (state) => {
    const gone = { ...subscribed, state: 'gone' } as const;

    const registry = registryAfter(subscribed, gone, { ...subscribed, state });

    assert.deepEqual([registry.byName.size, registry.leaving.size], [0, 0]);
  },
);

test('nor that it is there, of what is leaving', () => {
  const leaving = { ...subscribed, state: 'leaving' } as const;

  assert.deepEqual([...registryAfter(subscribed, leaving, subscribed).leaving.keys()], ['notes']);
});

test('nor that the one before is there', () => {
  const before = { ...subscribed, generation: 'first' };

  assert.equal(registryAfter(subscribed, before).byName.get('notes')?.generation, 'second');
});

test('a topic leads to a subscription until that is gone', () => {
  const leaving = { ...subscribed, state: 'leaving' } as const;

  assert.equal(registryAfter().isLed('note'), false);
  assert.equal(registryAfter(subscribed).isLed('note'), true);
  assert.equal(registryAfter(subscribed, leaving).isLed('note'), true);
  assert.equal(registryAfter(subscribed, leaving).isLed('other'), false);
  assert.equal(
    registryAfter(subscribed, leaving, { ...leaving, state: 'gone' }).isLed('note'),
    false,
  );
});
