/**
 * The random lives of the suite are worth what they meet: over the usual seeds they come past
 * everything they are meant to judge. A life that has become too quiet fails here.
 */
import assert from 'node:assert/strict';
import { memory } from 'malote/memory';
import { test } from 'vitest';
import {
  heal,
  startWalk,
  usualProfile,
  wander,
} from '../../src/testing/conformance/history-walk.ts';
import { startHarness } from '../../src/testing/conformance/start-harness.ts';
import type { Engine } from '../../src/transport/transport.ts';
import { seeds } from './seeds.ts';

test('random lives meet lost leases, suspects, parks, full stops and cancels', async () => {
  const met = new Map<string, number>();
  const meet = (what: string): void => void met.set(what, (met.get(what) ?? 0) + 1);
  for (const seed of seeds) {
    const engine = hearing(memory(), meet);
    const harness = startHarness({ make: () => engine }, seed);
    const walk = await startWalk(harness, 'block');
    await wander(walk, { profile: usualProfile, steps: 300, each: async () => undefined });
    const { history } = walk;
    for (const { settlement, outcome } of history.settlements) {
      meet(outcome === 'settled' ? settlement.kind : outcome);
    }
    for (const { delivery } of history.deliveries) meet(delivery.suspicion);
    if (history.cancelled.size > 0) meet('cancelled');
    await heal(walk);
    await harness.end();
  }

  const wanted = [
    ...['ack', 'retry', 'release', 'park', 'dead-letter', 'not-parked', 'lease-lost'],
    ...['beside', 'alone', 'blocked', 'woken', 'taken-over', 'cancelled'],
  ];
  assert.deepEqual(
    wanted.filter((what) => !met.has(what)),
    [],
  );
});

/** The engine, overheard: what it did by itself is told to processes that may be gone since. */
function hearing(engine: Engine, meet: (what: string) => void): Engine {
  return {
    ...engine,
    open: (host) =>
      engine.open({
        ...host,
        notify(event) {
          meet(event.kind);
          host.notify(event);
        },
      }),
  };
}
