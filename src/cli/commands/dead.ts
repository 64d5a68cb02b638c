/** `malote dead list` and `show`: what failed for good, and why. */

import type { DeadLetter } from '../../index.ts';
import { type Command, requireOutboxAlone } from '../command.ts';
import { notDead } from '../not-dead.ts';
import { time, timeInTable } from '../output.ts';
import { pageOptions, pagesOf } from '../pages.ts';
import { selectionOf, selectionOptions } from '../selection.ts';

type Failure = NonNullable<DeadLetter['lastFailure']>;

export const deadList: Command = {
  words: ['dead', 'list'],
  about: 'the dead letters',
  operands: [],
  options: {
    subscription: { value: 'NAME', about: 'of that subscription only' },
    ...selectionOptions,
    outbox: { about: 'of the outbox: what the engine refused' },
    ...pageOptions,
  },
  examples: ['dead list --subscription ledger --since 1h', 'dead list --all --json'],
  async run(call) {
    const subscription = call.given.value('subscription');
    const wanted = {
      ...selectionOf(call.given),
      ...(subscription === undefined ? {} : { subscription }),
    };
    const ofOutbox = call.given.has('outbox');
    if (ofOutbox) requireOutboxAlone('dead list', Object.keys(wanted));
    const pages = pagesOf(call, async (turn) => {
      const page = await (ofOutbox
        ? call.bus.outbox.dead.list(turn)
        : call.bus.dead.list({ ...wanted, ...turn }));
      return { ...page, items: page.items.map(printable) };
    });
    await call.output.list(pages, {
      none: 'no message is dead',
      columns: [
        ['MESSAGE', ({ id }) => id],
        ['TYPE', ({ topic }) => topic],
        ['SUBSCRIPTION', (one) => one.subscription],
        ['KEY', ({ key }) => key ?? '-'],
        ['REASON', ({ reason }) => reason, 'whole'],
        ['ATTEMPTS', ({ attempts }) => String(attempts), 'figure'],
        ['DIED', ({ diedAt }) => timeInTable(diedAt), 'whole'],
        ['FAILURE', ({ lastFailure }) => brief(lastFailure)],
      ],
    });
    return 'done';
  },
};

export const deadShow: Command = {
  words: ['dead', 'show'],
  about: 'a dead letter: its failures and its body',
  operands: [{ name: 'ID', about: 'the id of a message' }],
  options: { outbox: { about: 'in the outbox: what the engine refused' } },
  examples: ['dead show p-1'],
  async run({ bus, config, given, output }) {
    const [id = ''] = given.operands;
    const { dead } = given.has('outbox') ? bus.outbox : bus;
    const letters = (await dead.get(id)).map(printable);
    if (letters.length === 0) throw await notDead({ bus, config }, [id]);
    await output.data(letters, () => letters.flatMap(story));
    return 'done';
  },
};

/** A body as text, or in base64 where it is none: `bodyEncoding` says which. */
type Printable = Omit<DeadLetter, 'body'> & {
  readonly body: string;
  readonly bodyEncoding: 'text' | 'base64';
};

function printable({ body, ...letter }: DeadLetter): Printable {
  if (typeof body === 'string') return { ...letter, body, bodyEncoding: 'text' };
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
    return { ...letter, body: text, bodyEncoding: 'text' };
  } catch {
    return { ...letter, body: Buffer.from(body).toString('base64'), bodyEncoding: 'base64' };
  }
}

function story(letter: Printable): string[] {
  const { topic, id, subscription, key, reason, attempts, firstFailure, lastFailure } = letter;
  const only = firstFailure === null || lastFailure === null || attempts <= 1;
  return [
    `${topic} ${id}: dead in ${subscription}`,
    `  reason ${reason}, attempts ${attempts}${key === null ? '' : `, key ${key}`}`,
    `  ${time(letter.acceptedAt)}  accepted`,
    `  ${time(letter.diedAt)}  died`,
    ...(only ? [] : [`  first failure: ${brief(firstFailure)}`]),
    ...(lastFailure === null ? [] : failure('  last failure: ', lastFailure)),
    `  body: ${letter.body}`,
  ];
}

function brief(given: Failure | null): string {
  return given === null ? '-' : `${given.name}: ${given.message}`;
}

function failure(before: string, given: Failure): string[] {
  return [
    `${before}${brief(given)}`,
    ...(given.stack?.split('\n') ?? []).map((frame) => `    ${frame}`),
    ...(given.cause === undefined ? [] : failure('  caused by: ', given.cause)),
  ];
}
