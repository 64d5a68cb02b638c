/** Faults in waiting: wake-ups lost, facts forgotten, places lost, deadlines moved. */

import { factsIn } from '../../../src/message/need.ts';
import { settleTurns } from '../../../src/testing/virtual-clock.ts';
import type { FactId, Outgoing, Settlement } from '../../../src/transport/transport.ts';
import {
  ackOf,
  copyOf,
  delivering,
  note,
  publishing,
  settling,
  subscribing,
  type Mutant,
} from './planting.ts';

export const waitingMutants: readonly Mutant[] = [
  {
    name: 'of several facts any of which will do, all have to be there',
    caughtBy: ['wait-any-of', 'any-of-then-wait', 'wait-any-and-all'],
    plant: publishing((message) => ({ ...message, facts: message.facts.flatMap(factsIn) })),
  },
  {
    name: 'of several facts any of which will do, only the first one counts',
    caughtBy: ['wait-any-of', 'wait-any-and-all'],
    plant: publishing((message) => ({
      ...message,
      facts: message.facts.map((need) => factsIn(need)[0]!),
    })),
  },
  {
    name: 'a handler that waits for any of several waits for the first one',
    caughtBy: ['park-any-of'],
    plant: settling((settlement) =>
      settlement.kind === 'park'
        ? { ...settlement, facts: settlement.facts.map((need) => factsIn(need)[0]!) }
        : settlement,
    ),
  },
  {
    name: 'the messages of a key wait behind one that does, whatever was asked for',
    caughtBy: [
      'overtake-goes-on',
      'overtake-parked',
      'overtake-survives',
      'overtake-dies-alone',
      'overtake-many',
    ],
    plant: subscribing(() => ({ waitingOrder: 'hold' })),
  },
  {
    name: 'a message that waits is overtaken, whatever was asked for',
    caughtBy: ['wait-holds-followers', 'park-holds-followers', 'park-any-of'],
    plant: subscribing(() => ({ waitingOrder: 'overtake' })),
  },
  {
    name: 'nothing ever waits',
    caughtBy: [
      'wait-then-fact',
      'wait-all-of',
      'wait-other-fact',
      'wait-holds-followers',
      'facts-outlive-processes',
      'delay-with-facts',
      'pages-of-waiting',
    ],
    plant: publishing((message) => ({ ...message, facts: [] })),
  },
  {
    name: 'a fact wakes who waits and is forgotten',
    caughtBy: [
      'fact-then-wait',
      'fact-race-publish',
      'fact-race-park',
      'fact-race-crash',
      'fact-race-several',
      'facts-outlive-processes',
    ],
    plant: (sound) => ({
      async mark(changes) {
        for (const change of changes) {
          const query = { subscription: null, fact: change.fact, cursor: null, limit: 1 };
          if ((await sound.waiting(query)).items.length > 0) await sound.mark([change]);
        }
      },
    }),
  },
  {
    name: 'a park looks whether the fact is there, and waits a turn later',
    caughtBy: ['fact-race-every-turn'],
    plant(sound, world) {
      // What parked under the number of a fact is woken by the next time it comes, not by earlier.
      const times = note(world, 'times', () => new Map<FactId, number>());
      const numbered = (fact: FactId): FactId => `${fact}#${times.get(fact) ?? 0}`;
      const come = (fact: FactId): FactId => {
        const id = numbered(fact);
        times.set(fact, (times.get(fact) ?? 0) + 1);
        return id;
      };
      const parkLate = async (one: Settlement): Promise<Settlement> => {
        if (one.kind === 'ack') return { ...one, opens: [...one.opens, ...one.opens.map(come)] };
        if (one.kind !== 'park') return one;
        await settleTurns(2);
        if (one.facts.every((fact) => times.has(fact))) return one;
        await settleTurns(1);
        return { ...one, facts: one.facts.map(numbered) };
      };
      return {
        mark: (changes) =>
          sound.mark([...changes, ...changes.map((one) => ({ ...one, fact: come(one.fact) }))]),
        settle: async (batch) => sound.settle(await Promise.all(batch.map(parkLate))),
      };
    },
  },
  {
    name: 'a fact is remembered and wakes nobody',
    caughtBy: [
      'wait-then-fact',
      'fact-mass-release',
      'fact-race-park',
      'fact-race-crash-midway',
      'fair-behind-many-held',
      'park-holds-followers',
    ],
    plant(sound, world) {
      const facts = note(world, 'facts', () => new Set<FactId>());
      return {
        async mark(changes) {
          for (const { fact, state } of changes) {
            if (state === 'fulfilled') facts.add(fact);
            else facts.delete(fact);
          }
        },
        publish: (batch) => sound.publish(batch.map((one) => lessFacts(one, facts))),
        settle: (batch) =>
          sound.settle(
            batch.map((one) =>
              one.kind === 'park' && one.facts.every((fact) => facts.has(fact))
                ? { kind: 'release', delivery: one.delivery, afterMs: 0 }
                : one,
            ),
          ),
      };
    },
  },
  {
    name: 'the first of several facts is enough',
    caughtBy: ['wait-all-of'],
    plant: publishing((message) => ({ ...message, facts: message.facts.slice(0, 1) })),
  },
  {
    name: 'a fact opens those whose names it begins with',
    caughtBy: ['wait-other-fact'],
    plant: (sound) => ({
      mark: (changes) =>
        sound.mark(
          changes.flatMap(({ fact, state }) => [
            { fact, state },
            { fact: fact.slice(0, -1), state },
          ]),
        ),
    }),
  },
  {
    name: 'names of facts are compared without case',
    caughtBy: ['wait-other-fact'],
    plant: (sound) => ({
      mark: (changes) =>
        sound.mark(changes.map(({ fact, state }) => ({ fact: fact.toLowerCase(), state }))),
    }),
  },
  {
    name: 'a message that waits is overtaken by those behind it',
    caughtBy: ['wait-holds-followers'],
    plant: publishing((one) => (one.facts.length > 0 ? { ...one, key: null } : one)),
  },
  {
    name: 'a parked message loses its place',
    caughtBy: ['park-holds-followers'],
    plant: settling((one) =>
      one.kind === 'park' ? ackOf(one.delivery, [copyOf(one.delivery, { facts: one.facts })]) : one,
    ),
  },
  {
    name: 'a parked message waits anew, from now on',
    caughtBy: ['deadline-of-a-park'],
    plant: settling((one) =>
      one.kind === 'park' ? ackOf(one.delivery, [copyOf(one.delivery, { facts: one.facts })]) : one,
    ),
  },
  {
    name: 'a message that waits takes up credit',
    caughtBy: ['wait-costs-no-credit', 'order-keys-independent', 'fair-behind-many-held'],
    plant: (sound) => ({
      consume(subscription, demand, sink) {
        const consumption = sound.consume(subscription, demand, sink);
        return {
          ...consumption,
          grant(messages) {
            const query = { subscription, fact: null, cursor: null, limit: 100 };
            void sound
              .waiting(query)
              .then(({ items }) => consumption.grant(Math.max(0, messages - items.length)));
          },
        };
      },
    }),
  },
  {
    name: 'every subscription waits',
    caughtBy: ['wait-opted-out'],
    plant: subscribing(() => ({ waits: true })),
  },
  {
    name: 'a revoked fact still counts',
    caughtBy: ['fact-revoked'],
    plant: (sound) => ({
      mark: (changes) => sound.mark(changes.filter(({ state }) => state === 'fulfilled')),
    }),
  },
  {
    name: 'an ack opens nothing',
    caughtBy: ['fact-opened-by-ack', 'fact-race-ack', 'staged-full'],
    plant: settling((one) => (one.kind === 'ack' ? { ...one, opens: [] } : one)),
  },
  {
    name: 'the deadline is a little early',
    caughtBy: ['deadline-from-acceptance', 'deadline-of-a-park', 'deadline-shown'],
    plant: subscribing(({ waitingDeadlineMs }) => ({ waitingDeadlineMs: waitingDeadlineMs - 10 })),
  },
  {
    name: 'the deadline does not come',
    caughtBy: [
      'deadline-from-acceptance',
      'deadline-behind-a-head',
      'deadline-survives-restart',
      'deadline-keeps-order',
    ],
    plant: subscribing(() => ({ waitingDeadlineMs: 300_000_000 })),
  },
  {
    name: 'a message past its deadline is delivered for the fact as well',
    caughtBy: ['fact-race-deadline'],
    plant: (sound) => {
      const changed = new Set<string>();
      return {
        consume: (subscription, demand, sink) =>
          sound.consume(subscription, demand, {
            lost: (leases) => sink.lost(leases),
            deliver(batch) {
              sink.deliver(batch);
              const late = batch.filter(({ waitTimedOut, id }) => waitTimedOut && !changed.has(id));
              for (const { id } of late) changed.add(id);
              void sound.publish(late.map((one) => copyOf(one)));
            },
          }),
      };
    },
  },
  {
    name: 'nobody is told that the facts did not come',
    caughtBy: ['deadline-from-acceptance', 'deadline-survives-restart'],
    plant: delivering(() => ({ waitTimedOut: false })),
  },
];

function lessFacts(message: Outgoing, facts: ReadonlySet<FactId>): Outgoing {
  return { ...message, facts: message.facts.filter((fact) => !facts.has(fact)) };
}
