/** Faults in what becomes of a delivery: acks, retries, releases, dead letters, redrives. */

import { settleTurns } from 'malote/testing';
import type { SettleOutcome, Settlement } from '../../../src/transport/transport.ts';
import { ackOf, copyOf, note, settling, subscribing, type Mutant } from './planting.ts';

export const settlingMutants: readonly Mutant[] = [
  {
    name: 'the fence is gone: a late settlement counts',
    caughtBy: ['lease-fenced', 'lease-fenced-effects', 'lease-one-outcome-each'],
    plant: (sound) => ({
      async settle(batch) {
        const outcomes = await sound.settle(batch);
        for (const [index, one] of batch.entries()) {
          if (outcomes[index] !== 'lease-lost' || one.kind !== 'ack') continue;
          await sound.publish(one.publish);
          await sound.mark(one.opens.map((fact) => ({ fact, state: 'fulfilled' })));
        }
        return outcomes.map((outcome) => (outcome === 'lease-lost' ? 'settled' : outcome));
      },
    }),
  },
  {
    name: 'one lost lease spoils the whole batch',
    caughtBy: ['lease-one-outcome-each'],
    plant: (sound) => ({
      async settle(batch) {
        const outcomes = await sound.settle(batch);
        if (!outcomes.includes('lease-lost')) return outcomes;
        return batch.map((): SettleOutcome => 'lease-lost');
      },
    }),
  },
  {
    name: 'an ack takes the next message of the key with it',
    caughtBy: ['lease-acks-in-order'],
    plant(sound, world) {
      const lanes = note(world, 'lanes', () => new Map<string, string[]>());
      return {
        publish(batch) {
          for (const { key, id } of batch) {
            if (key !== null) lanes.set(key, [...(lanes.get(key) ?? []), id]);
          }
          return sound.publish(batch);
        },
        async settle(batch) {
          const outcomes = await sound.settle(batch);
          for (const { kind, delivery } of batch) {
            const ids = lanes.get(delivery.key ?? '') ?? [];
            const next = ids[ids.indexOf(delivery.id) + 1];
            if (kind === 'ack' && next !== undefined) await sound.cancel(next);
          }
          return outcomes;
        },
      };
    },
  },
  {
    name: 'an ack is forgotten when its process dies',
    caughtBy: [
      'settled-for-good',
      'lease-acks-in-order',
      'crash-spares-what-was-done',
      'staged-stored-with-ack',
    ],
    plant: (sound) => ({
      async settle(batch) {
        const others = batch.filter(({ kind }) => kind !== 'ack');
        const outcomes = [...(await sound.settle(others))];
        return batch.map(({ kind }) =>
          kind === 'ack' ? 'settled' : (outcomes.shift() ?? 'settled'),
        );
      },
    }),
  },
  {
    name: 'a retried message goes to the end of its key',
    caughtBy: ['order-retry', 'order-in-the-middle', 'order-across-topics', 'history-order'],
    plant: settling((one) =>
      one.kind === 'retry'
        ? ackOf(one.delivery, [copyOf(one.delivery, { delayMs: one.afterMs })])
        : one,
    ),
  },
  {
    name: 'a released message goes to the end of its key',
    caughtBy: ['order-release', 'lease-ends-at-first-failure'],
    plant: settling((one) =>
      one.kind === 'release'
        ? ackOf(one.delivery, [copyOf(one.delivery, { delayMs: one.afterMs })])
        : one,
    ),
  },
  {
    name: 'the back-off of one key holds all of them',
    caughtBy: ['order-keys-independent'],
    plant: (sound, { clock }) => ({
      async settle(batch) {
        const outcomes = await sound.settle(batch);
        for (const one of batch) {
          if (one.kind !== 'retry' || one.afterMs === 0) continue;
          const { subscription } = one.delivery;
          await sound.setPaused(subscription, true);
          clock.setTimer(() => void sound.setPaused(subscription, false), one.afterMs);
        }
        return outcomes;
      },
    }),
  },
  {
    name: 'back-offs are rounded down',
    caughtBy: ['retry-not-early', 'release-not-early', 'retry-survives-restart'],
    plant: settling((one) =>
      one.kind === 'retry' || one.kind === 'release' ? { ...one, afterMs: one.afterMs * 0.9 } : one,
    ),
  },
  {
    name: 'a release spends an attempt',
    caughtBy: ['release-gives-attempt-back', 'crash-spares-what-was-done'],
    plant: settling((one) => {
      if (one.kind !== 'release') return one;
      const failure = { name: 'Released', message: 'given back' };
      return { kind: 'retry', delivery: one.delivery, afterMs: one.afterMs, failure };
    }),
  },
  {
    name: 'an ack forgets what it publishes',
    caughtBy: ['staged-stored-with-ack', 'staged-full'],
    plant: settling((one) => (one.kind === 'ack' ? { ...one, publish: [] } : one)),
  },
  {
    name: 'what an ack publishes is stored first, the ack a moment later',
    caughtBy: ['staged-all-or-nothing', 'staged-full'],
    plant(sound) {
      let isGone = false;
      return {
        async settle(batch) {
          for (const one of batch) if (one.kind === 'ack') await sound.publish(one.publish);
          await settleTurns(2);
          if (isGone) return [];
          return sound.settle(batch.map((one) => (one.kind === 'ack' ? ackOf(one.delivery) : one)));
        },
        abandon() {
          isGone = true;
          sound.abandon();
        },
      };
    },
  },
  {
    name: 'a dead message comes back by itself',
    caughtBy: ['dead-survives-restart', 'dead-skip', 'dead-without-failure'],
    plant: settling((one): Settlement => {
      if (one.kind !== 'dead-letter') return one;
      const failure = one.failure ?? { name: 'Dead', message: 'died' };
      return { kind: 'retry', delivery: one.delivery, afterMs: 500, failure };
    }),
  },
  {
    name: 'a dead message has spent the attempt that was never begun',
    caughtBy: ['dead-unbegun'],
    plant: settling((one): Settlement => {
      return one.kind === 'dead-letter' ? { ...one, attempts: one.delivery.attempt } : one;
    }),
  },
  {
    name: 'a dead message frees its key, whatever was asked for',
    caughtBy: [
      'dead-block',
      'dead-block-ends-lease',
      'dead-block-survives-restart',
      'dead-divert',
      'redrive-opens-blocked-key',
      'redrive-opens-diverted-key',
      'history-order',
    ],
    plant: subscribing(() => ({ onDead: 'skip' })),
  },
  {
    name: 'a dead message shuts its key, whatever was asked for',
    caughtBy: ['dead-skip', 'redrive-in-order'],
    plant: subscribing(() => ({ onDead: 'block' })),
  },
  {
    name: 'behind a dead message the lease of its key seems to go on',
    caughtBy: ['dead-skip-ends-lease', 'dead-after-change', 'dead-block-ends-lease'],
    plant: (sound) => {
      const over = new Set<number>();
      return {
        async settle(batch) {
          for (const { kind, delivery } of batch) {
            if (kind === 'dead-letter') over.add(delivery.lease.id);
          }
          const outcomes = await sound.settle(batch);
          return outcomes.map((outcome, index) =>
            over.has(batch[index]!.delivery.lease.id) ? 'settled' : outcome,
          );
        },
      };
    },
  },
  {
    name: 'a dead message without a key shuts all those without one',
    caughtBy: ['dead-without-key'],
    plant: (sound) => ({
      async settle(batch) {
        const outcomes = await sound.settle(batch);
        for (const { kind, delivery } of batch) {
          if (kind !== 'dead-letter' || delivery.key !== null) continue;
          await sound.setPaused(delivery.subscription, true);
        }
        return outcomes;
      },
    }),
  },
  {
    name: 'a message that died in one subscription is taken from all',
    caughtBy: ['dead-per-subscription', 'redrive-one-subscription'],
    plant: (sound) => ({
      async settle(batch) {
        const outcomes = await sound.settle(batch);
        for (const { kind, delivery } of batch) {
          if (kind === 'dead-letter') await sound.cancel(delivery.id);
        }
        return outcomes;
      },
    }),
  },
  {
    name: 'a redrive publishes copies and keeps the dead letters',
    caughtBy: ['redrive-idempotent', 'redrive-dies-again', 'redrive-all', 'redrive-waits-anew'],
    plant: (sound) => ({
      async redrive(which) {
        const subscription = which.subscription;
        const { items } = await sound.dead({ subscription, id: null, cursor: null, limit: 500 });
        const chosen = items.filter(({ id }) => 'all' in which || which.ids.includes(id));
        const plain = { delayMs: 0, dedupe: [], facts: [] };
        await sound.publish(
          chosen.map(({ id, topic, body, headers, key }) => ({
            id,
            topic,
            body,
            headers,
            key,
            ...plain,
          })),
        );
        return chosen.length;
      },
    }),
  },
  {
    name: 'a redrive takes the dead letters away before it puts them back',
    caughtBy: ['redrive-cut-short'],
    plant: (sound, { clock }) => ({
      async redrive(which) {
        const { items } = await sound.dead({ ...everyLetter, subscription: which.subscription });
        if (items.length === 0) return 0;
        for (const { id } of items) await sound.cancel(id);
        await new Promise<void>((resolve) => void clock.setTimer(resolve, 100));
        const plain = { delayMs: 0, dedupe: [], facts: [] };
        const copies = items.map(({ id, topic, body, headers, key }) => {
          return { id, topic, body, headers, key, ...plain };
        });
        await sound.publish(copies);
        return copies.length;
      },
    }),
  },
  {
    name: 'a redrive begins with the last',
    caughtBy: ['redrive-in-order'],
    plant: (sound) => ({
      async redrive(which) {
        if ('all' in which) return sound.redrive(which);
        let count = 0;
        for (const id of ['m5', 'm4', 'm3', 'm2', 'm1']) {
          if (which.ids.includes(id)) count += await sound.redrive({ ...which, ids: [id] });
        }
        return count;
      },
    }),
  },
  {
    name: 'a redrive of everything ends after some',
    caughtBy: ['redrive-all'],
    plant: (sound) => ({
      async redrive(which) {
        if (!('all' in which)) return sound.redrive(which);
        const { subscription } = which;
        const { items } = await sound.dead({ subscription, id: null, cursor: null, limit: 500 });
        return sound.redrive({ ids: items.map(({ id }) => id), subscription });
      },
    }),
  },
  {
    name: 'a redrive sends every dead letter back by the order of now: its key stays shut',
    caughtBy: ['redrive-after-order-change-block', 'redrive-after-order-change-divert'],
    plant: (sound) => ({
      async redrive(which) {
        const unordered = (await sound.subscriptions()).filter(({ order }) => order === 'none');
        for (const { name } of unordered) {
          const query = { subscription: name, id: null, cursor: null, limit: 100 };
          const { items } = await sound.dead(query);
          await sound.publish(items.map((dead) => copyOf(dead)));
          if (items.length > 0) return items.length;
        }
        return sound.redrive(which);
      },
    }),
  },
  {
    name: 'a redrive goes to every subscription',
    caughtBy: ['redrive-one-subscription'],
    plant: (sound) => ({
      redrive: (which) => sound.redrive('all' in which ? which : { ...which, subscription: null }),
    }),
  },
  {
    name: 'dead letters cannot be cancelled',
    caughtBy: ['cancel-blocked-head', 'cancel-every-state'],
    plant: (sound) => ({
      async cancel(id) {
        const isDead = (await sound.get(id)).some(({ state }) => state === 'dead');
        return isDead ? 'not-found' : sound.cancel(id);
      },
    }),
  },
];

const everyLetter = { id: null, cursor: null, limit: 500 } as const;
