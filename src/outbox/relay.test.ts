/** What a relay sends and settles, between two queues that answer what a test wants. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { type ErrorCode, MaloteError } from '../errors.ts';
import type {
  Delivery,
  Outgoing,
  PublishOutcome,
  Queue,
  Settlement,
  Sink,
} from '../transport/transport.ts';
import { systemClock } from '../clock.ts';
import { batchSize, createRelay } from './relay.ts';
import { outboxName, toRow } from './row.ts';

const full = { kind: 'full', subscription: 'orders', topics: ['order'] } as const;

function row(n: number, key: string | null, lease: number): Delivery {
  const message = { id: `${n}`, topic: 'order', body: '{}', headers: null, key };
  const { headers } = toRow({ ...message, delayMs: 0, dedupe: [], facts: [] });
  const about = {
    acceptedAt: 0,
    attempt: 1,
    suspicion: 'none',
    waitTimedOut: false,
    lacking: [],
  } as const;
  const topic = outboxName;
  const held = { lease: { id: lease, token: lease }, subscription: outboxName, tag: n };
  return { ...message, ...about, ...held, topic, headers };
}

/** A relay whose target answers the first batch in this way, and stores everything after it. */
function relaying(first: (batch: readonly Outgoing[]) => Awaited<ReturnType<Queue['forward']>>) {
  const sent: string[][] = [];
  const settled: Settlement[] = [];
  let sink: Sink | null = null;
  const source = {
    consume(_: string, __: object, given: Sink) {
      sink = given;
      return { grant() {}, stop() {} };
    },
    async settle(batch: readonly Settlement[]) {
      settled.push(...batch);
      return batch.map(() => 'settled');
    },
  } as unknown as Queue;
  const target = {
    async forward(batch: readonly Outgoing[]) {
      sent.push(batch.map(({ id }) => id));
      return sent.length === 1 ? first(batch) : batch.map(() => ({ kind: 'stored' }));
    },
  } as unknown as Queue;
  const relay = createRelay({
    source,
    target: async () => target,
    remembers: true,
    clock: systemClock,
    random: () => 0,
    relayed() {},
    refused() {},
    trouble() {},
  });
  relay.start();
  return {
    relay,
    sent,
    settled,
    deliver: (rows: readonly Delivery[]) => sink!.deliver(rows),
    lose: (id: number) => sink!.lost([{ id, token: id }]),
  };
}

test('sends nothing of a key behind a batch in which it found no room', async () => {
  const { relay, sent, settled, deliver } = relaying((batch) =>
    batch.map((_, index) => (index === 0 ? { kind: 'stored' } : full)),
  );
  const lane = Array.from({ length: batchSize + 500 }, (_, n) => row(n, 'k', 1));
  deliver([...lane, row(9_000, 'other', 2)]);
  await relay.stop();

  const later = sent.slice(1).flat();
  assert.deepEqual(
    later.filter((id) => id !== '9000'),
    [],
  );
  assert.deepEqual(
    settled.slice(0, 2).map(({ kind, delivery }) => [kind, delivery.id]),
    [
      ['ack', '0'],
      ['retry', '1'],
    ],
  );
  assert.equal(settled.filter(({ delivery }) => delivery.key === 'k').length, 2);
});

test('sends nothing more of a lease that is lost meanwhile, and goes on with the others', async () => {
  const { relay, sent, deliver, lose } = relaying((batch) => {
    lose(1);
    return batch.map(() => ({ kind: 'stored' }));
  });
  const lane = Array.from({ length: batchSize + 500 }, (_, n) => row(n, 'k', 1));
  deliver([...lane, row(9_000, 'other', 2)]);
  while (sent.length < 2) await new Promise(setImmediate);
  await relay.stop();

  assert.deepEqual(
    sent.map((batch) => batch.length),
    [batchSize, 1],
  );
  assert.deepEqual(sent[1], ['9000']);
});

test('sends nothing more of a lease that ended with a dead letter: it comes again', async () => {
  const error = new MaloteError('MESSAGE_TOO_LARGE', 'refused');
  const { relay, sent, settled, deliver } = relaying((batch) =>
    batch.map((_, index) => (index === 1 ? { kind: 'refused', error } : { kind: 'stored' })),
  );
  const lane = Array.from({ length: batchSize + 500 }, (_, n) => row(n, 'k', 1));
  deliver([...lane, row(9_000, 'other', 2)]);
  while (sent.length < 2) await new Promise(setImmediate);
  await relay.stop();

  assert.deepEqual(sent[1], ['9000']);
  assert.deepEqual(
    settled.map(({ kind, delivery }) => [kind, delivery.id]),
    [
      ['ack', '0'],
      ['dead-letter', '1'],
      ['ack', '9000'],
    ],
  );
});

test('sends nothing of a key behind a row that cannot be read', async () => {
  const { relay, sent, settled, deliver } = relaying((batch) =>
    batch.map(() => ({ kind: 'stored' })),
  );
  const unreadable = { ...row(2, 'k', 1), headers: 'of nobody' };
  deliver([row(1, 'k', 1), unreadable, row(3, 'k', 1), row(4, 'other', 2)]);
  await relay.stop();

  assert.deepEqual(sent, [['1', '4']]);
  assert.deepEqual(
    settled.map(({ kind, delivery }) => [kind, delivery.id]),
    [
      ['ack', '1'],
      ['dead-letter', '2'],
      ['ack', '4'],
    ],
  );
});

test('buries what is refused for itself, and keeps what a target cannot take now', async () => {
  const refused = (code: ErrorCode): PublishOutcome => ({
    kind: 'refused',
    error: new MaloteError(code, 'refused'),
  });
  const { relay, settled, deliver } = relaying(() => [
    refused('MESSAGE_TOO_LARGE'),
    refused('ENGINE_UNREACHABLE'),
    refused('ENGINE_FULL'),
  ]);
  deliver([row(1, 'a', 1), row(2, 'b', 2), row(3, null, 3)]);
  await relay.stop();

  assert.deepEqual(
    settled.map(({ kind, delivery }) => [kind, delivery.id]),
    [
      ['dead-letter', '1'],
      ['retry', '2'],
      ['retry', '3'],
    ],
  );
});

test('acks nothing that was not confirmed, and gives the rest back when it stops', async () => {
  const { relay, settled, deliver } = relaying(() => {
    throw new Error('not there');
  });
  deliver([row(1, 'k', 1), row(2, 'k', 1), row(3, null, 2)]);
  await relay.stop();
  assert.deepEqual(
    settled.map(({ kind, delivery }) => [kind, delivery.id]),
    [
      ['release', '1'],
      ['release', '3'],
    ],
  );
});
