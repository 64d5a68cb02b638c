/** Faults in functions that run in the engine's transactions, and in their receipts. */

import type { Arrival, Effect, Effects, Work } from '../../../src/transport/effects.ts';
import type { Mutant } from './planting.ts';

export const effectingMutants: readonly Mutant[] = [
  {
    name: 'an effect leaves no receipt',
    caughtBy: ['effect-once', 'effect-with-ack', 'effect-recalled'],
    plant: running((effect) => ({ ...effect, receipt: null })),
  },
  {
    name: 'an effect is stored without its ack, whoever has the lease',
    caughtBy: ['effect-with-ack', 'effect-lease-lost'],
    plant: running((effect) => ({ ...effect, delivery: null })),
  },
  {
    name: 'what an effect publishes follows it',
    caughtBy: ['effect-full'],
    plant: ({ effects, publish }) => ({
      effects: {
        recall: (arrivals) => effects!.recall(arrivals),
        async run(effect) {
          let late: Work = { publish: [], opens: [] };
          const work = (tx: never): Work => ({ ...(late = effect.work(tx)), publish: [] });
          const outcome = await effects!.run({ ...effect, work });
          if (outcome.kind === 'done') await publish(late.publish);
          return outcome;
        },
      },
    }),
  },
  {
    name: 'an effect that failed counts as one',
    caughtBy: ['effect-fails-alone'],
    plant: ({ effects }) => ({
      effects: {
        recall: (arrivals) => effects!.recall(arrivals),
        async run(effect) {
          const outcome = await effects!.run(effect);
          return outcome.kind === 'failed' ? { kind: 'done' } : outcome;
        },
      },
    }),
  },
  {
    name: 'nobody remembers that a later delivery was announced',
    caughtBy: ['effect-announced'],
    plant: recalling((arrival) => ({ ...arrival, repeated: false })),
  },
  {
    name: 'receipts are kept for ever',
    caughtBy: ['effect-forgotten'],
    plant: running(({ receipt, ...rest }) => ({
      ...rest,
      receipt: receipt === null ? null : { ...receipt, keepMs: 1e12 },
    })),
  },
  {
    name: 'a message is known in every topic',
    caughtBy: ['effect-recalled'],
    plant: recalling((arrival) => ({ ...arrival, topic: 'order.placed' })),
  },
];

function running(change: (effect: Effect<never>) => Effect<never>): NonNullable<Mutant['plant']> {
  return ({ effects }) => ({
    effects: {
      recall: (arrivals) => effects!.recall(arrivals),
      run: (effect) => effects!.run(change(effect)),
    },
  });
}

function recalling(change: (arrival: Arrival) => Arrival): NonNullable<Mutant['plant']> {
  return ({ effects }) => ({
    effects: {
      recall: (arrivals): ReturnType<Effects<never>['recall']> =>
        effects!.recall(arrivals.map(change)),
      run: (effect) => effects!.run(effect),
    },
  });
}
