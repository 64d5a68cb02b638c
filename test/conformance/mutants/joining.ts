/** Faults in publishes that join a transaction of the caller. */

import type { Outgoing, PublishOutcome } from '../../../src/transport/transport.ts';
import { note, type Mutant } from './planting.ts';

const isOpen = (): boolean => true;

export const joiningMutants: readonly Mutant[] = [
  {
    name: 'a publish does not join the transaction, it follows it',
    caughtBy: ['join-rollback', 'join-outside'],
    plant: (sound) => ({
      join: {
        isOpen,
        publish(_, batch) {
          void sound.publish(batch).catch(() => []);
          return batch.map(stored);
        },
      },
    }),
  },
  {
    name: 'a publish in a transaction is forgotten at its commit',
    caughtBy: ['join-commit', 'join-order', 'join-without-subscription', 'join-with-work-going-on'],
    plant: () => ({ join: { isOpen, publish: (_, batch) => batch.map(stored) } }),
  },
  {
    name: 'what one transaction publishes to a key is turned round',
    caughtBy: ['join-commit', 'join-order'],
    plant: (sound) => ({
      join: { isOpen, publish: (tx, batch) => sound.join?.publish(tx, batch.toReversed()) ?? [] },
    }),
  },
  {
    name: 'a transaction looks for no repetitions',
    caughtBy: ['join-dedupe'],
    plant: (sound) => ({
      join: {
        isOpen,
        publish: (tx, batch) =>
          sound.join?.publish(
            tx,
            batch.map((one): Outgoing => ({ ...one, dedupe: [] })),
          ) ?? [],
      },
    }),
  },
  {
    name: 'what a rolled back transaction published is remembered',
    caughtBy: ['join-rollback'],
    plant(sound, world) {
      const seen = note(world, 'joined', () => new Set<string>());
      return {
        join: {
          isOpen,
          publish(tx, batch) {
            for (const { dedupe } of batch) for (const name of dedupe) seen.add(name);
            return sound.join?.publish(tx, batch) ?? [];
          },
        },
        async publish(batch) {
          const known = batch.some(({ dedupe }) => dedupe.some((name) => seen.has(name)));
          return known ? [{ kind: 'duplicate', id: 'joined' }] : sound.publish(batch);
        },
      };
    },
  },
  {
    name: 'waits are told to nobody',
    caughtBy: ['join-wait-is-told'],
    host: (host) => ({
      ...host,
      notify: (event) => event.kind !== 'waiting' && host.notify(event),
    }),
  },
  {
    name: 'a message that finds no room undoes the transaction',
    caughtBy: ['join-full'],
    plant: (sound) => ({
      join: {
        isOpen,
        publish(tx, batch) {
          const outcomes = sound.join?.publish(tx, batch) ?? [];
          if (outcomes.some(({ kind }) => kind === 'full')) throw new Error('full');
          return outcomes;
        },
      },
    }),
  },
];

function stored(): PublishOutcome {
  return { kind: 'stored' };
}
