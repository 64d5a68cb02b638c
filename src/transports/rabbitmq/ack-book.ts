/**
 * Acknowledgements of one channel, written once per turn: a run of neighbours as one, what stands
 * behind a gap one by one.
 */

import type { Channel, ConsumeMessage } from 'amqplib';

/** A delivery that is not acknowledged yet. */
export interface Place {
  readonly book: AckBook;
  readonly tag: number;
}

export interface AckBook {
  readonly channel: Channel;
  isOpen: boolean;
  /** Deliveries not acknowledged. */
  unacked: number;
  /** The lowest tag that may be unacknowledged. */
  lowest: number;
  /** Acknowledged one by one, above `lowest`. */
  readonly above: Set<number>;
  pending: number[];
}

export function createAckBook(channel: Channel): AckBook {
  return { channel, isOpen: true, unacked: 0, lowest: 1, above: new Set(), pending: [] };
}

export function placeOf(book: AckBook, { fields }: ConsumeMessage): Place {
  book.unacked += 1;
  return { book, tag: fields.deliveryTag };
}

export function ackPlace({ book, tag }: Place): void {
  if (!book.isOpen) return;
  book.unacked -= 1;
  book.pending.push(tag);
  if (book.pending.length === 1) queueMicrotask(() => flush(book));
}

/** Gives a delivery back to its queue: only where order does not matter. */
export function returnPlace({ book, tag }: Place): void {
  if (!book.isOpen) return;
  book.unacked -= 1;
  flush(book);
  book.above.add(tag);
  book.channel.nack(messageWith(tag), false, true);
  advance(book);
}

function flush(book: AckBook): void {
  const { channel, above } = book;
  const tags = book.pending.toSorted((a, b) => a - b);
  book.pending = [];
  if (!book.isOpen || tags.length === 0) return;
  let last = 0;
  let run = 0;
  for (; run < tags.length && tags[run] === book.lowest; run++) {
    last = book.lowest;
    book.lowest += 1;
    advance(book);
  }
  // A tag that was acknowledged by itself before may lie within the run, never at its end.
  if (run > 0) channel.ack(messageWith(last), run > 1);
  for (const tag of tags.slice(run)) {
    above.add(tag);
    channel.ack(messageWith(tag));
  }
}

function advance(book: AckBook): void {
  while (book.above.delete(book.lowest)) book.lowest += 1;
}

/** The driver looks at the tag alone. */
function messageWith(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage;
}
