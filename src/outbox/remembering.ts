/**
 * An engine that forgets what was published, beside a store that remembers it.
 *
 * What has a key to be recognised by becomes a row of the outbox: the key and the message are
 * stored in one step, and the relay moves the message on. Remembered before it is published, a
 * message would be lost by a crash between the two; after it, doubled. Everything else goes
 * straight to the engine.
 */

import { MaloteError } from '../errors.ts';
import type {
  Engine,
  Outgoing,
  PublishOutcome,
  Queue,
  Settlement,
  SettleOutcome,
  Transport,
} from '../transport/transport.ts';
import { toRow } from './row.ts';

export interface Remembering {
  /** The transport of the store, opened when it is needed. */
  open(): Promise<Pick<Transport<unknown>, 'queue'>>;
}

export function remembering<Tx>(engine: Engine<Tx>, store: Remembering): Engine<Tx> {
  return {
    name: engine.name,
    address: engine.address,
    capabilities: { ...engine.capabilities, dedupe: true },
    examine: () => engine.examine(),
    async open(host) {
      const transport = await engine.open(host);
      return { ...transport, queue: rememberingIn(transport.queue, store) };
    },
  };
}

function rememberingIn(queue: Queue, store: Remembering): Queue {
  /** Settlements under way that had something to store first; acks of a lane stay in order. */
  let last: Promise<unknown> | null = null;

  /** In the very call, where the store is open: what a process publishes keeps its order. */
  async function remember(batch: readonly Outgoing[]): Promise<readonly PublishOutcome[]> {
    const { queue: outbox } = await store.open();
    const outcomes = await outbox.publish(batch.map(toRow));
    // That nobody has prepared the outbox yet says nothing about the topic of the message.
    return outcomes.map((one) => (one.kind === 'stored' ? { kind: 'stored' } : one));
  }

  async function publishBoth(batch: readonly Outgoing[]): Promise<readonly PublishOutcome[]> {
    const rows = batch.filter(isKnowable);
    const rest = batch.filter((one) => !isKnowable(one));
    if (rest.length === 0) return await remember(rows);
    // What is stored on one way is not refused for what befell the other.
    const [remembered, published] = await Promise.all([
      remember(rows).catch((error: unknown) => rows.map((one) => refusal(one, error))),
      queue.publish(rest).catch((error: unknown) => rest.map((one) => refusal(one, error))),
    ]);
    const next = { row: 0, other: 0 };
    return batch.map((one) =>
      isKnowable(one) ? remembered[next.row++]! : published[next.other++]!,
    );
  }

  async function settleBehind(
    batch: readonly Settlement[],
    before: readonly Promise<unknown>[],
  ): Promise<readonly SettleOutcome[]> {
    await Promise.all(before);
    return await queue.settle(batch.map(withoutKnowable));
  }

  return {
    ...queue,
    publish: (batch) => (batch.some(isKnowable) ? publishBoth(batch) : queue.publish(batch)),
    settle(batch) {
      const rows = batch.flatMap(knowableOf);
      if (rows.length === 0 && last === null) return queue.settle(batch);
      const before: Promise<unknown>[] = [];
      if (last !== null) before.push(last);
      if (rows.length > 0) before.push(remember(rows).then(checkStored));
      const settled = settleBehind(batch, before);
      const over = settled.then(
        () => undefined,
        () => undefined,
      );
      last = over;
      void over.then(() => {
        if (last === over) last = null;
      });
      return settled;
    },
  };
}

function isKnowable({ dedupe }: Outgoing): boolean {
  return dedupe.length > 0;
}

function knowableOf(settlement: Settlement): readonly Outgoing[] {
  return settlement.kind === 'ack' ? settlement.publish.filter(isKnowable) : nothing;
}

const nothing: readonly Outgoing[] = [];

function withoutKnowable(settlement: Settlement): Settlement {
  if (settlement.kind !== 'ack' || !settlement.publish.some(isKnowable)) return settlement;
  return { ...settlement, publish: settlement.publish.filter((one) => !isKnowable(one)) };
}

/** An ack is not settled before what it publishes is stored. */
function checkStored(outcomes: readonly PublishOutcome[]): void {
  for (const outcome of outcomes) {
    if (outcome.kind === 'refused' || outcome.kind === 'indeterminate') throw outcome.error;
  }
}

function refusal({ id }: Outgoing, cause: unknown): PublishOutcome {
  const code = cause instanceof MaloteError ? cause.code : 'ENGINE_FAILED';
  return { kind: 'refused', error: new MaloteError(code, String(cause), { cause, id }) };
}
