/**
 * What was given back to the shared queue by a process that had no room for it. The server says of
 * such a message only that somebody had it before; so whoever gives it back notes for the clerk
 * first that nothing was done with it. The clerk tells the first one who asks, and nobody after
 * that: what becomes of the message then is not known here. A note that is lost costs a detour, as
 * the message moves to a partition.
 */

import type { ConsumeMessage } from 'amqplib';
import type { Names } from './names.ts';
import type { Sending } from './publisher.ts';

export interface GivenBack {
  note(hash: number, message: ConsumeMessage, now: number): void;
  /** Whether it was given back; whoever asks next is told that it was not. */
  take(hash: number): boolean;
  /** Forgets what was noted before. */
  forgetUntil(before: number): void;
}

export interface GivenBackOptions {
  /** How many notes are kept. */
  readonly most: number;
  /** The next clerk is not given this note any more. */
  forgotten(message: ConsumeMessage): void;
}

const header = 'givenBack';

export function createGivenBack({ most, forgotten }: GivenBackOptions): GivenBack {
  /** The oldest first. */
  const notes = new Map<number, { readonly message: ConsumeMessage; readonly at: number }>();

  function take(hash: number): boolean {
    const note = notes.get(hash);
    if (note === undefined) return false;
    notes.delete(hash);
    forgotten(note.message);
    return true;
  }

  return {
    note(hash, message, now) {
      take(hash);
      notes.set(hash, { message, at: now });
      if (notes.size <= most) return;
      const [oldest] = notes.keys();
      take(oldest!);
    },
    take,
    forgetUntil(before) {
      for (const [hash, { at }] of notes) {
        if (at > before) return;
        take(hash);
      }
    },
  };
}

/** Says to the clerk that a message is about to be given back. */
export function givenBackNote({ ledgers }: Names, hash: number, messageId: string): Sending {
  const properties = { messageId, persistent: false, headers: { [header]: String(hash) } };
  return { exchange: '', key: ledgers, body: Buffer.alloc(0), properties };
}

/** Which message a note is about; null: it is no such note. */
export function hashIn({ properties }: ConsumeMessage): number | null {
  const value = (properties.headers as Readonly<Record<string, unknown>>)[header];
  return typeof value === 'string' ? Number(value) : null;
}
