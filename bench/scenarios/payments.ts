/** The question that matters most to whoever runs the payments example. */

import type { Contestant, Scenario } from '../scenario.ts';
import { count, latencyColumns, settings, type Length } from './settings.ts';

export function paymentsScenarios(length: Length): readonly Scenario[] {
  const { waitingPayments, starts } = length;
  const contestant = (name: string, processes: 1 | 2): Contestant => ({
    name,
    spec: {
      program: 'payments',
      settings: settings('sqlite'),
      payments: waitingPayments,
      processes,
    },
  });
  return [
    {
      name: 'start',
      title: `npm start, from the command to /readyz, ${count(starts)} times`,
      columns: latencyColumns,
      compare: 'peers',
      rounds: 1,
      contestants: [
        { name: 'npm start', spec: { program: 'start', settings: settings('sqlite'), starts } },
      ],
    },
    {
      name: 'registered-to-booked',
      title: `From registering to booking what waited for it, ${count(waitingPayments)} times`,
      columns: latencyColumns,
      compare: 'peers',
      rounds: 1,
      contestants: [
        contestant('one process', 1),
        contestant('two processes that share the work', 2),
      ],
    },
  ];
}

export function describePayments({ name }: Length): Readonly<Record<string, string>> {
  return {
    program: 'examples/payments as it is, over HTTP, in processes of its own',
    load: 'every payment waits for its customer first; customers are registered one at a time',
    included: "the example's card processor, which takes up to 20 ms per payment",
    length: `${name}: one round`,
    proof: 'every payment is booked once, after its customer',
    durability: 'WAL, synchronous=FULL',
  };
}
