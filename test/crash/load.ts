/**
 * The load of a campaign: what its processes publish and how they handle it, drawn from a seed.
 */
import { dependency, type Dependency, message, type MessageType } from 'malote';
import { seededRandom } from 'malote/testing';
import { followedTopic, type Subscribed } from './campaign-record.ts';
import type { Announced } from './history.ts';

/** What a message carries: the announcement is all its handler needs. */
export interface Note extends Pick<Announced, 'label' | 'key' | 'waits' | 'asks' | 'followed'> {
  /** The attempt of the handler that published it. */
  readonly stagedBy: number | null;
}

type NoteType = MessageType<string, Note, Note>;

export const fact: Dependency<'ready'> = dependency('ready');

const ordered = {
  orderBy: ({ key }: Note) => key ?? 'none',
  waitFor: ({ waits }: Note) => waits.map((name) => fact(name)),
};

export const orderPlaced: NoteType = message<Note>('order.placed', ordered);
export const orderFollowed: NoteType = message<Note>(followedTopic, {
  orderBy: ({ key }) => key ?? 'none',
});
export const mailSent: NoteType = message<Note>('mail.sent');

export const types: ReadonlyMap<string, NoteType> = new Map(
  [orderPlaced, orderFollowed, mailSent].map((type) => [type.name, type]),
);

export const keys: readonly string[] = Array.from({ length: 40 }, (_, index) => `key-${index}`);

/** `billing` and `audit` both get every order; `billing` publishes what `following` gets. */
export const subscriptions: readonly Subscribed[] = [
  { name: 'billing', topic: orderPlaced.name, isOrdered: true, waits: true },
  { name: 'audit', topic: orderPlaced.name, isOrdered: false, waits: false },
  { name: 'following', topic: orderFollowed.name, isOrdered: true, waits: true },
  { name: 'mailing', topic: mailSent.name, isOrdered: false, waits: true },
];

export const staging = { by: 'billing', into: 'following' } as const;

export const handling: {
  readonly slots: Readonly<Record<string, number>>;
  readonly backoffMs: number;
  readonly failing: number;
} = {
  slots: { billing: 16, audit: 8, following: 8, mailing: 8 },
  backoffMs: 5,
  failing: 0.05,
};

/** What a publisher does next for one key. */
export interface Step {
  /** Published by one call: several by `publishMany`. */
  readonly messages: readonly Announced[];
  /** Facts that are opened before the call, and after it with a delay in milliseconds. */
  readonly opensBefore: readonly string[];
  readonly opensAfter: readonly { readonly fact: string; readonly afterMs: number }[];
  readonly pauseMs: number;
}

/** Draws the steps of one process. */
export function createLoad(seed: number, processName: string): (key: string | null) => Step {
  const random = seededRandom(seed ^ hash(processName));
  let made = 0;

  function order(key: string, isSingle: boolean): Announced {
    made += 1;
    const label = `${processName}/${made}`;
    const kind = random();
    const needed = `for ${label}`;
    return {
      label,
      key,
      topic: orderPlaced.name,
      delayMs: isSingle && random() < 0.03 ? 1 + Math.floor(random() * 200) : 0,
      waits: kind < 0.08 ? [needed] : [],
      asks: kind >= 0.08 && kind < 0.1 ? needed : null,
      followed: random() < 0.1,
    };
  }

  function mail(): Announced {
    made += 1;
    const label = `${processName}/${made}`;
    const delayMs = random() < 0.05 ? 1 + Math.floor(random() * 100) : 0;
    const plain = { waits: [], asks: null, followed: false };
    return { label, key: null, topic: mailSent.name, delayMs, ...plain };
  }

  return (key) => {
    const count = random() < 0.1 ? 2 + Math.floor(random() * 6) : 1;
    const messages = Array.from({ length: count }, () =>
      key === null ? mail() : order(key, count === 1),
    );
    const needed = messages.flatMap(({ waits, asks }) => (asks === null ? waits : [asks]));
    const before = new Set(needed.filter(() => random() < 0.5));
    return {
      messages: count === 1 ? messages : messages.map((one) => ({ ...one, delayMs: 0 })),
      opensBefore: [...before],
      opensAfter: needed
        .filter((name) => !before.has(name))
        .map((name) => ({ fact: name, afterMs: random() * 50 })),
      pauseMs: 20 + random() * 100,
    };
  };
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return value;
}
