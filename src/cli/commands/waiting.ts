/** `malote waiting`: what waits, for which facts, and until when. */

import { optionInvalid } from '../../errors.ts';
import type { Call, Command } from '../command.ts';
import { timeInTable } from '../output.ts';
import { pageOptions, pagesOf } from '../pages.ts';

export const waiting: Command = {
  words: ['waiting'],
  about: 'the messages that wait for facts',
  operands: [],
  options: {
    subscription: { value: 'NAME', about: 'of that subscription only' },
    for: { value: 'FACT', about: 'for that fact only, such as customer:5' },
    ...pageOptions,
  },
  examples: ['waiting', 'waiting --for customer:5 --json'],
  async run(call) {
    const subscription = call.given.value('subscription');
    const fact = call.given.value('for');
    const wanted = {
      ...(subscription === undefined ? {} : { subscription }),
      ...(fact === undefined ? {} : { for: keyOf(fact) }),
    };
    const pages = pagesOf(call, (turn) => call.bus.waiting.list({ ...wanted, ...turn }));
    await call.output.list(pages, {
      none: noneOf(call.config),
      columns: [
        ['MESSAGE', ({ id }) => id],
        ['TYPE', ({ topic }) => topic],
        ['SUBSCRIPTION', (one) => one.subscription],
        ['KEY', ({ key }) => key ?? '-'],
        ['WAITS FOR', ({ waitingFor }) => waitingFor.join(', ')],
        ['SINCE', ({ acceptedAt }) => timeInTable(acceptedAt), 'whole'],
        ['UNTIL', ({ deadlineAt }) => timeInTable(deadlineAt), 'whole'],
      ],
    });
    return 'done';
  },
};

/** Who owns a partition finds out what of it waits. */
function noneOf({ engine: { capabilities } }: Call['config']): string {
  if (capabilities.delivery === 'lanes') return 'nothing waits';
  return 'nothing waits that a worker has looked at; the rest is READY: malote subscriptions';
}

function keyOf(fact: string): { dependency: string; id: string } {
  const at = fact.indexOf(':');
  if (at < 1 || at === fact.length - 1) {
    throw optionInvalid('waiting: --for', 'a fact, such as customer:5', fact);
  }
  return { dependency: fact.slice(0, at), id: fact.slice(at + 1) };
}
