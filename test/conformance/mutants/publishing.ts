/** Faults on the way in: acceptance, repetitions, delays, limits, subscriptions. */

import { settleTurns } from 'malote/testing';
import type { Outgoing, SubscriptionSpec } from '../../../src/transport/transport.ts';
import { note, publishing, subscribing, type Mutant } from './planting.ts';

export const publishingMutants: readonly Mutant[] = [
  {
    name: 'every fifth message is accepted and forgotten',
    caughtBy: ['accepted-survives-publisher', 'deliver-once-without-faults', 'history-total'],
    plant(sound, world) {
      const count = note(world, 'count', () => ({ published: 0 }));
      return {
        async publish(batch) {
          const kept = batch.filter(() => ++count.published % 5 !== 0);
          const outcomes = [...(await sound.publish(kept))];
          return batch.map((one) =>
            kept.includes(one) ? (outcomes.shift() ?? { kind: 'stored' }) : { kind: 'stored' },
          );
        },
      };
    },
  },
  {
    name: 'a publish is answered before it is stored',
    caughtBy: ['accepted-while-crashing', 'order-concurrent-publishers'],
    plant(sound) {
      let isGone = false;
      let calls = 0;
      return {
        async publish(batch) {
          const turns = calls++ % 2 === 0 ? 9 : 1;
          void settleTurns(turns).then(() => (isGone ? [] : sound.publish(batch)));
          return batch.map(() => ({ kind: 'stored' }));
        },
        abandon() {
          isGone = true;
          sound.abandon();
        },
      };
    },
  },
  {
    name: 'publishes of one process overtake each other',
    caughtBy: ['order-pipelined-publishes', 'subscribe-while-publishing'],
    plant(sound) {
      let calls = 0;
      return {
        async publish(batch) {
          if (calls++ % 3 === 0) await settleTurns(2);
          return sound.publish(batch);
        },
      };
    },
  },
  {
    name: 'a batch is stored from its end',
    caughtBy: [
      'order-batch',
      'order-handed-over',
      'accepted-without-subscription',
      'dead-divert',
      'lease-acks-in-order',
    ],
    plant: (sound) => ({
      publish: async (batch) => (await sound.publish(batch.toReversed())).toReversed(),
    }),
  },
  {
    name: 'a relay goes on behind a message that found no room',
    caughtBy: ['full-forward'],
    plant: (sound) => ({ forward: (batch) => sound.publish(batch) }),
  },
  {
    name: 'nobody is told that a topic has no subscription',
    caughtBy: ['accepted-kept-told'],
    plant: (sound) => ({
      async publish(batch) {
        const outcomes = await sound.publish(batch);
        return outcomes.map((one) => (one.kind === 'stored' ? { kind: 'stored' } : one));
      },
    }),
  },
  {
    name: 'a topic without a subscription forgets',
    caughtBy: ['accepted-without-subscription', 'delay-without-subscription', 'get-kept'],
    plant: (sound) => ({
      async publish(batch) {
        const known = (await sound.subscriptions()).flatMap(({ topics }) => topics);
        const kept = batch.filter(({ topic }) => known.includes(topic));
        await sound.publish(kept);
        return batch.map(() => ({ kind: 'stored' }));
      },
    }),
  },
  {
    name: 'repetitions are not looked for',
    caughtBy: [
      'dedupe-answers-first',
      'dedupe-any-of-several',
      'dedupe-within-batch',
      'dedupe-at-once',
      'dedupe-survives-crash',
      'dedupe-without-subscription',
    ],
    plant: publishing((message) => ({ ...message, dedupe: [] })),
  },
  {
    name: 'what was published a week ago is forgotten, whatever became of it',
    caughtBy: ['dedupe-outlives-message'],
    plant(sound, world) {
      const weekMs = 7 * 24 * 3_600_000;
      const first = note(world, 'first', () => new Map<string, number>());
      const forget = (key: string): string => {
        const { clock } = world;
        if (!first.has(key)) first.set(key, clock.now());
        return `${key}#${Math.floor((clock.now() - first.get(key)!) / weekMs)}`;
      };
      return publishing((message) => ({ ...message, dedupe: message.dedupe.map(forget) }))(
        sound,
        world,
      );
    },
  },
  {
    name: 'repetitions are looked for in all topics',
    caughtBy: ['dedupe-within-topic'],
    plant: repetitions('stored', (message) => message.dedupe),
  },
  {
    name: 'a refused message is remembered as published',
    caughtBy: ['dedupe-forgets-refused'],
    plant: repetitions('any', (message) => message.dedupe),
  },
  {
    name: 'equal bodies are taken for repetitions',
    caughtBy: ['dedupe-only-by-request'],
    plant: repetitions('stored', (message) => [`body ${String(message.body)}`]),
  },
  {
    name: 'delays are rounded down',
    caughtBy: ['delay-not-early', 'delay-survives-restart', 'delay-without-subscription'],
    plant: publishing((message) => ({ ...message, delayMs: message.delayMs * 0.9 })),
  },
  {
    name: 'a delayed message keeps its place from its acceptance',
    caughtBy: ['delay-joins-when-due', 'delay-order-by-time'],
    plant: (sound, { clock }) => ({
      publish(batch) {
        const held = batch.map((message) => {
          if (message.key === null || message.delayMs === 0) return message;
          const fact = `due:${message.id}`;
          const due = (): void => void sound.mark([{ fact, state: 'fulfilled' }]);
          clock.setTimer(due, message.delayMs);
          return { ...message, delayMs: 0, facts: [...message.facts, fact] };
        });
        return sound.publish(held);
      },
    }),
  },
  {
    name: 'a delayed message forgets its facts',
    caughtBy: ['delay-with-facts'],
    plant: publishing((one) => (one.delayMs > 0 ? { ...one, facts: [] } : one)),
  },
  {
    name: 'delays and retries are timers of the process that asked for them',
    caughtBy: ['delay-survives-restart', 'history-total'],
    plant: (sound, { clock }) => ({
      publish(batch) {
        const now = batch.filter(({ delayMs }) => delayMs === 0);
        for (const one of batch) {
          const due = (): void => void sound.publish([{ ...one, delayMs: 0 }]).catch(() => []);
          if (one.delayMs > 0) clock.setTimer(due, one.delayMs);
        }
        return sound.publish(now).then(() => batch.map(() => ({ kind: 'stored' })));
      },
    }),
  },
  {
    name: 'nothing is ever full',
    caughtBy: [
      'full-refuses',
      'full-counts-all-states',
      'full-one-of-two',
      'staged-full',
      'subscription-updated',
    ],
    plant: subscribing(() => ({ maxDepth: 1_000_000 })),
  },
  {
    name: 'later subscriptions of a topic are given nothing',
    caughtBy: [
      'deliver-fan-out',
      'dead-per-subscription',
      'redrive-one-subscription',
      'wait-opted-out',
      'unsubscribe',
    ],
    plant: (sound, world) => ({
      subscribe(specs) {
        const owner = note(world, 'owners', () => new Map<string, string>());
        for (const { name, topics } of specs) {
          for (const topic of topics) if (!owner.has(topic)) owner.set(topic, name);
        }
        const own = ({ name, topics }: SubscriptionSpec): string[] =>
          topics.filter((topic) => owner.get(topic) === name);
        return sound.subscribe(specs.map((spec) => ({ ...spec, topics: own(spec) })));
      },
    }),
  },
  {
    name: 'a subscription is given the messages of topics beside its own',
    caughtBy: ['deliver-topics-apart'],
    plant: subscribing(({ topics }) => ({ topics: [...new Set([...topics, 'player.seen'])] })),
  },
  {
    name: 'a later subscription is given what an earlier one adopted',
    caughtBy: ['subscribe-adopts-once'],
    plant(sound, world) {
      const early = note(world, 'early', () => [] as Outgoing[]);
      return {
        async publish(batch) {
          if ((await sound.subscriptions()).length === 0) early.push(...batch);
          return sound.publish(batch);
        },
        async subscribe(specs) {
          const isLater = (await sound.subscriptions()).length > 0;
          await sound.subscribe(specs);
          if (isLater) await sound.publish(early);
        },
      };
    },
  },
  {
    name: 'kept messages are adopted topic by topic',
    caughtBy: ['subscribe-adopts-across-topics'],
    plant(sound, world) {
      const kept = note(world, 'kept', () => [] as Outgoing[]);
      return {
        async publish(batch) {
          if ((await sound.subscriptions()).length > 0) return sound.publish(batch);
          kept.push(...batch);
          return batch.map(() => ({ kind: 'stored' }));
        },
        async subscribe(specs) {
          await sound.subscribe(specs);
          const topics = kept.splice(0).toSorted((a, b) => a.topic.localeCompare(b.topic));
          await sound.publish(topics);
        },
      };
    },
  },
  {
    name: 'only a new subscription adopts',
    caughtBy: ['subscribe-adopts-by-replace', 'subscribe-adopts-when-asked'],
    plant: (sound) => ({
      async subscribe(specs) {
        const known = (await sound.subscriptions()).map(({ name }) => name);
        const from = ({ name, from: asked }: SubscriptionSpec): SubscriptionSpec['from'] =>
          known.includes(name) ? 'now' : asked;
        await sound.subscribe(specs.map((spec) => ({ ...spec, from: from(spec) })));
      },
    }),
  },
  {
    name: 'subscribing again starts from nothing',
    caughtBy: [
      'subscribe-again',
      'pause-survives-restart',
      'order-change-keeps-lanes',
      'order-change-keeps-loose',
      'order-change-at-restart',
    ],
    plant: (sound) => ({
      async subscribe(specs) {
        for (const { name } of specs) await sound.unsubscribe(name);
        await sound.subscribe(specs);
      },
    }),
  },
  {
    name: 'a changed subscription is taken as it comes',
    caughtBy: ['subscription-changed'],
    plant: subscribing(() => ({ replace: true })),
  },
  {
    name: 'subscriptions are stored one by one until one is refused',
    caughtBy: ['subscription-changed'],
    plant: (sound) => ({
      async subscribe(specs) {
        for (const spec of specs) await sound.subscribe([spec]);
      },
    }),
  },
  {
    name: 'what is stored of a subscription is never updated',
    caughtBy: ['subscription-updated'],
    plant: (sound) => ({
      async subscribe(specs) {
        const known = (await sound.subscriptions()).map(({ name }) => name);
        await sound.subscribe(specs.filter(({ name }) => !known.includes(name)));
      },
    }),
  },
  {
    name: 'unsubscribing answers and does nothing',
    caughtBy: ['unsubscribe', 'unsubscribe-while-leased', 'unsubscribe-unseen'],
    plant: () => ({ unsubscribe: async () => true }),
  },
  {
    name: 'an order of none keeps the order of keys',
    caughtBy: ['order-none', 'order-change-keeps-lanes', 'order-change-at-restart'],
    plant: subscribing(() => ({ order: 'key' })),
  },
  {
    name: 'one key is served until it is empty, then the next',
    caughtBy: ['fair-all-keys-move', 'fair-quiet-key', 'fair-unordered-beside-lanes'],
    plant(sound) {
      const held: Outgoing[] = [];
      const refill = async (): Promise<void> => {
        const [{ stats } = { stats: { depth: 1 } }] = await sound.subscriptions();
        const key = held[0]?.key ?? null;
        if (stats.depth > 0 || held.length === 0) return;
        const next = held.filter((one) => one.key === key);
        for (const one of next) held.splice(held.indexOf(one), 1);
        await sound.publish(next);
      };
      return {
        async publish(batch) {
          held.push(...batch);
          await refill();
          return batch.map(() => ({ kind: 'stored' }));
        },
        async settle(batch) {
          const outcomes = await sound.settle(batch);
          await refill();
          return outcomes;
        },
      };
    },
  },
];

/** Looks for repetitions by itself, by what `of` says a message is recognised by. */
function repetitions(
  remembers: 'stored' | 'any',
  of: (message: Outgoing) => readonly string[],
): NonNullable<Mutant['plant']> {
  return (sound, world) => {
    const seen = note(world, 'seen', () => new Map<string, string>());
    return {
      async publish(batch) {
        const outcomes = [];
        for (const message of batch) {
          const first = of(message)
            .map((name) => seen.get(name))
            .find(Boolean);
          const [outcome] =
            first === undefined
              ? await sound.publish([{ ...message, dedupe: [] }])
              : [{ kind: 'duplicate' as const, id: first }];
          if (outcome?.kind === 'stored' || remembers === 'any') {
            for (const name of of(message)) seen.set(name, message.id);
          }
          outcomes.push(outcome ?? { kind: 'stored' as const });
        }
        return outcomes;
      },
    };
  };
}
