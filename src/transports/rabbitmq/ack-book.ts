/**
 * Acknowledgements of one channel, written once per turn: a run of neighbours as one, what stands
 * behind a gap one by one.
 *
 * A quorum queue takes some 30 acknowledgements of a channel at once. What comes on top waits in
 * the server's channel, and is forgotten when that is closed: so whoever closes one waits first
 * until it is {@link drained}.
 */

import type { Channel, ConsumeMessage } from 'amqplib';
import { writeAcks } from './acks.ts';
import { wholeQueue } from './settings.ts';

/** A delivery that is not acknowledged yet. */
export interface Place {
  readonly book: AckBook;
  readonly tag: number;
  /** Of its body. */
  readonly bytes: number;
  /** What it came by, where the queue is read by several; it counts what is unacknowledged. */
  readonly feed: { unacked: number } | null;
}

export interface AckBook {
  readonly channel: Channel;
  readonly queue: string;
  isOpen: boolean;
  /** Deliveries not acknowledged, and the bytes of their bodies. */
  unacked: number;
  bytes: number;
  /** The lowest tag that may be unacknowledged. */
  lowest: number;
  /** Acknowledged one by one, above `lowest`. */
  readonly above: Set<number>;
  pending: number[];
}

export function createAckBook(channel: Channel, queue: string): AckBook {
  const nothing = { unacked: 0, bytes: 0, lowest: 1, above: new Set<number>(), pending: [] };
  return { channel, queue, isOpen: true, ...nothing };
}

export function placeOf(
  book: AckBook,
  { fields, content }: ConsumeMessage,
  feed: Place['feed'] = null,
): Place {
  const bytes = content.length;
  book.unacked += 1;
  book.bytes += bytes;
  if (feed !== null) feed.unacked += 1;
  return { book, tag: fields.deliveryTag, bytes, feed };
}

export function ackPlace(place: Place): void {
  const { book, tag } = place;
  if (!book.isOpen) return;
  leave(place);
  book.pending.push(tag);
  if (book.pending.length === 1) queueMicrotask(() => flush(book));
}

/** Gives a delivery back to its queue: only where order does not matter. */
export function returnPlace(place: Place): void {
  const { book, tag } = place;
  if (!book.isOpen) return;
  leave(place);
  flush(book);
  book.above.add(tag);
  written(() => book.channel.nack(messageWith(tag), false, true));
  advance(book);
}

/**
 * Resolves when the server has read what was acknowledged until now: the death of this process
 * takes none of it back, as what has only left the process may be.
 */
export async function heard(book: AckBook, window: number): Promise<void> {
  flush(book);
  // Its answer says no more than that its turn came; it repeats what the channel was told before.
  await book.channel.prefetch(window);
}

/** Ends the book, with what was acknowledged in this turn. */
export function endBook(book: AckBook): void {
  flush(book);
  book.isOpen = false;
}

/**
 * Resolves when the queue has taken every acknowledgement. Another consumer of the channel is
 * something the queue answers in turn, and by then it has seen the rest.
 */
export async function drained(
  { channel, queue }: Pick<AckBook, 'channel' | 'queue'>,
  order: 'kept' | 'none' = 'kept',
): Promise<void> {
  try {
    // Whatever it is given for a moment goes back: as a whole, where the order has to hold.
    await channel.prefetch(order === 'kept' ? wholeQueue : 1);
    await channel.consume(queue, () => undefined);
  } catch {
    // The channel is gone: what it had is delivered again.
  }
}

/** Acknowledges outside of a book; on a channel that is closed, nothing. */
export function ackUnlessClosed(
  channel: Channel,
  message: ConsumeMessage,
  which: 'it' | 'all before' = 'it',
): void {
  written(() => channel.ack(message, which === 'all before'));
}

/** A channel that is lost between two turns is noticed in the next one. */
function written(write: () => void): void {
  try {
    write();
  } catch {
    // What was not acknowledged is delivered again.
  }
}

function leave({ book, bytes, feed }: Place): void {
  book.unacked -= 1;
  book.bytes -= bytes;
  if (feed !== null) feed.unacked -= 1;
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
  const singly = tags.slice(run);
  for (const tag of singly) above.add(tag);
  // A tag that was acknowledged by itself before may lie within the run, never at its end.
  if (run > 0) singly.unshift(last);
  writeAcks(channel, singly, run > 1);
}

function advance(book: AckBook): void {
  while (book.above.delete(book.lowest)) book.lowest += 1;
}

/** The driver looks at the tag alone. */
function messageWith(deliveryTag: number): ConsumeMessage {
  return { fields: { deliveryTag } } as ConsumeMessage;
}
