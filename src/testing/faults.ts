/**
 * Faults on purpose, between a bus and its engine: each is something that real processes and
 * networks do, at a moment a test chooses.
 *
 * A fault is armed (`once()` or `times(n)`) and goes off at the next occasion; armed faults that
 * never met one are listed by {@link Faults.armed}, so that a test can tell that it tested nothing.
 */

import { MaloteError } from '../errors.ts';
import { oneOf } from '../message/checks.ts';
import type { MessageType } from '../message/message.ts';
import type {
  Delivery,
  Engine,
  Host,
  Outgoing,
  PublishOutcome,
  Queue,
  Settlement,
  SettleOutcome,
  Sink,
  Transport,
} from '../transport/transport.ts';

/**
 * Where a process may die: with the message in hand, after its work, or after the ack is stored.
 */
export type CrashPoint = 'before-handler' | 'after-handler' | 'after-ack';

const crashPoints: readonly CrashPoint[] = ['before-handler', 'after-handler', 'after-ack'];

/** Arms a fault. */
export interface Trigger {
  once(): void;
  times(count: number): void;
}

export interface Faults {
  /** The process dies at this point: nothing is given back, its lease runs out. */
  crash(at: CrashPoint, type?: MessageType): Trigger;
  /** The ack is lost: the message is delivered again although its handler succeeded. */
  duplicate(type?: MessageType): Trigger;
  /** A batch of unordered messages arrives shuffled. */
  reorder(): Trigger;
  /** The engine stores a publish and its answer is lost: `INDETERMINATE`. */
  loseReply(type?: MessageType): Trigger;
  /** Names of faults that are armed and have not gone off. */
  readonly armed: readonly string[];
}

interface Fuse {
  readonly name: string;
  readonly topic: string | null;
  left: number;
}

export interface FaultyEngine<Tx> {
  readonly engine: Engine<Tx>;
  readonly faults: Faults;
}

/** @param crashed - called when a crash went off: the connection is gone by then */
export function withFaults<Tx>(
  inner: Engine<Tx>,
  { random, crashed }: { random: () => number; crashed: () => void },
): FaultyEngine<Tx> {
  const fuses: Fuse[] = [];

  function arm(name: string, type: MessageType | undefined): Trigger {
    const times = (count: number): void => {
      fuses.push({ name, topic: type?.name ?? null, left: count });
    };
    return { once: () => times(1), times };
  }

  /** Whether the named fault goes off for one of these topics, and if so, uses it up. */
  function goesOff(name: string, topics: readonly string[]): boolean {
    const fuse = fuses.find(
      (one) => one.name === name && (one.topic === null || topics.includes(one.topic)),
    );
    if (fuse === undefined || topics.length === 0) return false;
    fuse.left -= 1;
    if (fuse.left === 0) fuses.splice(fuses.indexOf(fuse), 1);
    return true;
  }

  function wrap(transport: Transport<Tx>): Transport<Tx> {
    const die = (): Promise<never> => {
      transport.abandon();
      crashed();
      // A dead process hears nothing any more: its promises stay open for ever.
      return new Promise(() => {});
    };
    return { ...transport, queue: wrapQueue(transport.queue, die) };
  }

  function wrapQueue(queue: Queue, die: () => Promise<never>): Queue {
    return {
      ...queue,
      publish: async (batch) => loseReplies(batch, await queue.publish(batch)),
      forward: async (batch) => loseReplies(batch, await queue.forward(batch)),
      settle: (batch) => settle(queue, batch, die),
      consume(subscription, demand, sink) {
        return queue.consume(subscription, demand, wrapSink(sink, die));
      },
    };
  }

  function loseReplies(
    batch: readonly Outgoing[],
    outcomes: readonly PublishOutcome[],
  ): readonly PublishOutcome[] {
    return outcomes.map((outcome, index) =>
      goesOff('lose-reply', [batch[index]!.topic])
        ? { kind: 'indeterminate', error: lost }
        : outcome,
    );
  }

  async function settle(
    queue: Queue,
    batch: readonly Settlement[],
    die: () => Promise<never>,
  ): Promise<readonly SettleOutcome[]> {
    const acked = batch.filter(({ kind }) => kind === 'ack').map(({ delivery }) => delivery.topic);
    if (goesOff('after-handler', acked)) return await die();
    const outcomes = await queue.settle(batch.map(loseAck));
    return goesOff('after-ack', acked) ? await die() : outcomes;
  }

  /** To the engine a lost ack looks like a delivery that came to nothing. */
  function loseAck(settlement: Settlement): Settlement {
    const { kind, delivery } = settlement;
    if (kind !== 'ack' || !goesOff('duplicate', [delivery.topic])) return settlement;
    const failure = { name: 'AckLost', message: 'the ack did not arrive' };
    return { kind: 'retry', delivery, afterMs: 0, failure };
  }

  function wrapSink(sink: Sink, die: () => Promise<never>): Sink {
    return {
      ...sink,
      deliver(batch) {
        const topics = batch.map(({ topic }) => topic);
        if (goesOff('before-handler', topics)) void die();
        else
          sink.deliver(canShuffle(batch) && goesOff('reorder', topics) ? shuffled(batch) : batch);
      },
    };
  }

  function shuffled(batch: readonly Delivery[]): Delivery[] {
    const result = [...batch];
    for (let last = result.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [result[last], result[other]] = [result[other]!, result[last]!];
    }
    return result;
  }

  return {
    engine: { ...inner, open: async (host: Host) => wrap(await inner.open(host)) },
    faults: {
      crash: (at, type) => arm(oneOf('faults.crash', at, crashPoints), type),
      duplicate: (type) => arm('duplicate', type),
      reorder: () => arm('reorder', undefined),
      loseReply: (type) => arm('lose-reply', type),
      get armed() {
        return fuses.map(({ name, topic }) => (topic === null ? name : `${name} of ${topic}`));
      },
    },
  };
}

const lost = new MaloteError('INDETERMINATE', 'the reply was lost: stored or not, nobody knows');

/** Messages with a key have an order that no engine may change. */
function canShuffle(batch: readonly Delivery[]): boolean {
  return batch.length > 1 && batch.every(({ key }) => key === null);
}
