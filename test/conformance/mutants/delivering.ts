/** Faults between the queue and the consumer: credit, bodies, leases, crashes, suspects. */

import type { Clock } from '../../../src/clock.ts';
import type { Consumption, Delivery, Host, Sink } from '../../../src/transport/transport.ts';
import { ackOf, copyOf, delivering, holding, note, type Mutant } from './planting.ts';

export const deliveringMutants: readonly Mutant[] = [
  {
    name: 'bytes are delivered as text',
    caughtBy: ['body-and-headers-equal', 'body-at-the-limit'],
    plant: delivering(({ body }) => ({
      body: typeof body === 'string' ? body : Buffer.from(body).toString(),
    })),
  },
  {
    name: 'texts are cut at the first NUL',
    caughtBy: ['body-and-headers-equal'],
    plant: delivering(({ body }) => ({
      body: typeof body === 'string' ? (body.split('\0')[0] ?? '') : body,
    })),
  },
  {
    name: 'the time of acceptance is the time of delivery',
    caughtBy: ['deliver-attributes'],
    plant: delivering((_, { clock }) => ({ acceptedAt: clock.now() })),
  },
  {
    name: 'one message more than granted is delivered',
    caughtBy: ['deliver-within-grant'],
    plant: (sound) => ({
      consume(subscription, demand, sink) {
        const consumption = sound.consume(subscription, demand, sink);
        return { ...consumption, grant: (messages) => consumption.grant(messages + 1) };
      },
    }),
  },
  {
    name: 'a grant is forgotten when nothing is there to deliver',
    caughtBy: ['deliver-grant-is-kept', 'wait-then-fact', 'retry-not-early'],
    plant: (sound, { clock }) => ({
      consume(subscription, demand, sink) {
        let inner = sound.consume(subscription, demand, sink);
        const forget = (): void => {
          inner.stop();
          inner = sound.consume(subscription, demand, sink);
        };
        return {
          stop: () => inner.stop(),
          grant(messages) {
            inner.grant(messages);
            clock.setTimer(forget, 700);
          },
        };
      },
    }),
  },
  {
    name: 'a stop is not heard',
    caughtBy: ['deliver-after-stop', 'deliver-beside-stopped'],
    plant: (sound) => ({
      consume: (...args) => ({ ...sound.consume(...args), stop: () => undefined }),
    }),
  },
  {
    name: 'consumers end with the subscription they were begun for',
    caughtBy: ['consume-again'],
    plant(sound, world) {
      const begun = note(world, 'begun', () => [] as Consumption[]);
      return {
        consume(...args) {
          const consumption = sound.consume(...args);
          begun.push(consumption);
          return consumption;
        },
        unsubscribe(name) {
          for (const consumption of begun.splice(0)) consumption.stop();
          return sound.unsubscribe(name);
        },
      };
    },
  },
  {
    name: 'competing processes are each given the message',
    caughtBy: ['deliver-competing', 'order-one-at-a-time'],
    plant(sound, world) {
      const sinks = note(world, 'sinks', () => [] as Sink[]);
      return {
        consume(subscription, demand, sink) {
          sinks.push(sink);
          return sound.consume(subscription, demand, {
            lost: (leases) => sink.lost(leases),
            deliver: (batch) => {
              for (const one of sinks) one.deliver(batch);
            },
          });
        },
      };
    },
  },
  {
    name: 'an idle consumer fetches ahead',
    caughtBy: ['fair-slow-consumer-elsewhere'],
    plant: (sound) => ({
      consume(subscription, demand, sink) {
        const buffer: Delivery[] = [];
        let credit = 0;
        const hand = (): void => {
          for (; credit > 0 && buffer.length > 0; credit--) sink.deliver(buffer.splice(0, 1));
        };
        const inner = sound.consume(subscription, demand, {
          lost: (leases) => sink.lost(leases),
          deliver(batch) {
            buffer.push(...batch);
            hand();
          },
        });
        inner.grant(50);
        return {
          stop: () => inner.stop(),
          grant(messages) {
            credit += messages;
            hand();
          },
        };
      },
    }),
  },
  {
    name: 'what a dying process held is taken for done',
    caughtBy: [
      'accepted-survives-consumers',
      'lease-ends-with-silence',
      'lease-acks-in-order',
      'history-storm',
    ],
    plant: (sound) =>
      holding(sound, (out) => void sound.settle(out.map((delivery) => ackOf(delivery)))),
  },
  {
    name: 'what a dying process held goes to the end of its key',
    caughtBy: ['order-crash', 'crash-head-of-lane', 'history-order'],
    plant: (sound) =>
      holding(sound, (out) => {
        void sound.settle(out.map((one) => ackOf(one, [copyOf(one)])));
      }),
  },
  {
    name: 'a crash is taken for an orderly end',
    caughtBy: [
      'crash-spends-attempt',
      'crash-alone-is-guilty',
      'crash-beside-is-not',
      'poison-is-found',
      'poison-in-a-lane',
      'get-history',
    ],
    plant: (sound) => ({ abandon: () => void sound.close() }),
  },
  {
    name: 'an orderly end is taken for a crash',
    caughtBy: ['close-spends-none'],
    plant: (sound) => ({ close: async () => sound.abandon() }),
  },
  {
    name: 'closing twice is an error',
    caughtBy: ['close-settles-always'],
    plant(sound) {
      let isClosed = false;
      return {
        async close() {
          if (isClosed) throw new Error('closed already');
          isClosed = true;
          await sound.close();
        },
      };
    },
  },
  {
    name: 'leases are not renewed',
    caughtBy: ['lease-kept-by-living'],
    host(host, opened) {
      if (opened > 0) return host;
      return { ...host, clock: without(host.clock, (ms) => ms <= host.leaseMs / 2) };
    },
  },
  {
    name: 'leases last ten times as long',
    caughtBy: ['lease-ends-with-silence', 'lease-fenced', 'accepted-survives-consumers'],
    host: (host) => ({ ...host, leaseMs: host.leaseMs * 10 }),
  },
  {
    name: 'every connection counts as a process',
    caughtBy: ['crash-alone-in-process', 'suspects-lone-trial-in-process'],
    host: (host, opened) => ({ ...host, process: `${opened}` }),
  },
  {
    name: 'nobody is told of a lost lease',
    caughtBy: ['lease-lost-is-told'],
    plant: (sound) => ({
      consume: (subscription, demand, sink) =>
        sound.consume(subscription, demand, { ...sink, lost: () => undefined }),
    }),
  },
  {
    name: 'tokens stand still',
    caughtBy: ['lease-tokens-grow'],
    plant: delivering(({ lease }) => ({ lease: { ...lease, token: 1 } })),
  },
  {
    name: 'attempts are not counted',
    caughtBy: ['retry-counts', 'crash-spends-attempt', 'retry-survives-restart', 'order-retry'],
    plant: delivering(() => ({ attempt: 1 })),
  },
  {
    name: 'attempts count deliveries',
    caughtBy: [
      'release-gives-attempt-back',
      'park-spends-no-attempt',
      'fact-race-park',
      'redrive-fresh-start',
    ],
    plant: delivering(({ id, subscription }, world) => {
      const counts = note(world, 'deliveries', () => new Map<string, number>());
      const name = `${subscription} ${id}`;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return { attempt: counts.get(name) ?? 1 };
    }),
  },
  {
    name: 'every survivor of a crash is held guilty',
    caughtBy: ['crash-beside-is-not', 'poison-is-found', 'poison-in-a-lane'],
    plant: delivering(({ suspicion }) => ({ suspicion: suspicion === 'none' ? 'none' : 'alone' })),
  },
  {
    name: 'what waited in vain does not tell what for',
    caughtBy: ['deadline-from-acceptance', 'deadline-of-a-park'],
    plant: delivering(() => ({ lacking: [] })),
  },
  {
    name: 'nobody is ever held guilty',
    caughtBy: [
      'crash-alone-is-guilty',
      'crash-alone-is-found-out',
      'poison-is-found',
      'poison-in-a-lane',
    ],
    plant: delivering(() => ({ suspicion: 'none' })),
  },
  {
    name: 'after a crash everything is suspect',
    caughtBy: ['crash-spares-what-was-done'],
    plant(sound, world) {
      const crash = note(world, 'crash', () => ({ seen: false }));
      return {
        ...delivering(() => (crash.seen ? { suspicion: 'beside' } : {}))(sound, world),
        abandon() {
          crash.seen = true;
          sound.abandon();
        },
      };
    },
  },
  {
    name: 'a crash raises attempts and has no other consequence',
    caughtBy: ['suspects-within-slots', 'suspects-lone-trial', 'crash-head-of-lane'],
    plant(sound, world) {
      const crashes = note(world, 'crashes', () => new Map<string, number>());
      const suspect = delivering(({ id }) => {
        const count = crashes.get(id) ?? 0;
        return count === 0 ? {} : { attempt: count + 1, suspicion: 'beside' };
      });
      const orderly = { ...sound, abandon: () => void sound.close() };
      const held = holding(orderly, (out) => {
        for (const { id } of out) crashes.set(id, (crashes.get(id) ?? 0) + 1);
      });
      return { ...held, ...suspect({ ...sound, ...held }, world) };
    },
  },
];

/** A clock that never comes back from short waits. */
function without(clock: Clock, isSwallowed: (ms: number) => boolean): Host['clock'] {
  return {
    ...clock,
    setTimer: (run, ms) => clock.setTimer(isSwallowed(ms) ? () => undefined : run, ms),
  };
}
