/** The store as publishers with a transaction see it: what joins one becomes an outbox row. */

import type { Effects } from '../transport/effects.ts';
import type { Engine, Join, Transport } from '../transport/transport.ts';
import { type OnRefused, outboxName, outboxSpec, toRow } from './row.ts';

export function outboxOf<Tx>(store: Engine<Tx>): Engine<Tx> {
  return {
    name: store.name,
    address: store.address,
    capabilities: store.capabilities,
    examine: () => store.examine(),
    open: async (host) => wrap(await store.open(host)),
  };
}

/**
 * Rows that were written before are kept and adopted. Not part of opening: whoever publishes first
 * may hold the lock itself. Who relays says what becomes of a key, the last one that did counts;
 * who only looks changes nothing.
 */
export async function prepareOutbox(
  { queue, store }: Transport<unknown>,
  onDead: OnRefused | null,
): Promise<void> {
  const known = (await store.subscriptions()).find(({ name }) => name === outboxName);
  if (known !== undefined && (onDead ?? known.onDead) === known.onDead) return;
  await queue.subscribe([outboxSpec(onDead ?? 'skip')]);
}

function wrap<Tx>(transport: Transport<Tx>): Transport<Tx> {
  const { join, effects, close, abandon, ...rest } = transport;
  return {
    ...rest,
    join: join === null ? null : rowsInto(join),
    effects: effects === null ? null : effectsInto(effects),
    close: () => close(),
    abandon: () => abandon(),
  };
}

function rowsInto<Tx>(join: Join<Tx>): Join<Tx> {
  return {
    publish: (tx, batch) => join.publish(tx, batch.map(toRow)),
    isOpen: (tx) => join.isOpen(tx),
  };
}

/** What a function publishes goes out with what it writes. */
function effectsInto<Tx>(effects: Effects<Tx>): Effects<Tx> {
  return {
    recall: (arrivals) => effects.recall(arrivals),
    run: (effect) =>
      effects.run({
        ...effect,
        work(tx) {
          const { publish, opens } = effect.work(tx);
          return { publish: publish.map(toRow), opens };
        },
      }),
  };
}
