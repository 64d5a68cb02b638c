/** Dead letters: one queue per subscription, in which they stand as they died. */

import { optionInvalid } from '../../errors.ts';
import type { DeadLetter, DeadQuery, Page } from '../../transport/store.ts';
import type { DeadReason, Outgoing } from '../../transport/transport.ts';
import { compare, lookAtDead, type Letter, type Looker } from './dead-look.ts';
import type { Member } from './hold.ts';
import type { Registered } from './registry.ts';
import type { Sending } from './publisher.ts';
import { identityOf, sendingOf, type DeadNote } from './wire-format.ts';

export function burialOf(
  { queues }: Registered,
  message: Outgoing,
  { acceptedAt, note }: { readonly acceptedAt: number; readonly note: DeadNote },
): Sending {
  return sendingOf({ exchange: '', key: queues.dead, message, acceptedAt, note });
}

export async function isStillDead(
  { context, registered }: Member,
  message: Pick<Outgoing, 'id' | 'topic'>,
): Promise<boolean> {
  const identity = identityOf(message);
  return await lookAtDead(context, registered, {
    wants: (letter) => identityOf(letter.message) === identity,
    work: (letters) => letters.length > 0,
  });
}

const longestPage = 500;

export async function pageOfDead(
  looker: Looker,
  all: readonly Registered[],
  query: DeadQuery,
): Promise<Page<DeadLetter>> {
  const limit = checkLimit(query.limit);
  const found: { readonly stamp: string; readonly letter: DeadLetter }[] = [];
  for (const registered of all) {
    if (query.subscription !== null && query.subscription !== registered.name) continue;
    await lookAtDead(looker, registered, {
      wants: ({ message, note }) =>
        (query.id === null || query.id === message.id) &&
        (query.cursor === null || compare(note.stamp, query.cursor) > 0),
      letters: limit + 1,
      work(letters) {
        for (const one of letters) {
          found.push({ stamp: one.note.stamp, letter: shown(registered.name, one) });
        }
      },
    });
  }
  found.sort((a, b) => compare(a.stamp, b.stamp));
  const items = found.slice(0, limit);
  const next = found.length > limit ? (items.at(-1)?.stamp ?? null) : null;
  return { items: items.map(({ letter }) => letter), next };
}

export function checkLimit(limit: number): number {
  if (Number.isInteger(limit) && limit >= 1 && limit <= longestPage) return limit;
  throw optionInvalid('limit', `an integer from 1 to ${longestPage}`, limit);
}

function shown(subscription: string, { message, acceptedAt, note }: Letter): DeadLetter {
  return {
    id: message.id,
    topic: message.topic,
    subscription,
    key: note.key,
    reason: note.reason as DeadReason,
    attempts: note.attempts,
    acceptedAt,
    diedAt: note.diedAt,
    firstFailure: note.story?.firstFailure ?? null,
    lastFailure: note.story?.lastFailure ?? null,
    body: message.body,
    headers: message.headers,
  };
}
