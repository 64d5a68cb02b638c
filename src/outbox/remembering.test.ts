/** The two ways of a message, and of an ack, beside a store: between what a test lets answer. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { MaloteError } from '../errors.ts';
import type {
  Delivery,
  Engine,
  Host,
  Outgoing,
  PublishOutcome,
  Queue,
  Settlement,
} from '../transport/transport.ts';
import { remembering } from './remembering.ts';

function outgoing(id: string, dedupe: readonly string[] = []): Outgoing {
  const about = { topic: 'note', body: '{}', headers: null, key: 'k', delayMs: 0, facts: [] };
  return { id, dedupe, ...about };
}

function ack(tag: number, ...publish: readonly Outgoing[]): Settlement {
  return { kind: 'ack', delivery: { tag } as Delivery, opens: [], publish };
}

/** An engine and a store that write down what they are asked, the store when it is let. */
async function beside(stored: (batch: readonly Outgoing[]) => Promise<readonly PublishOutcome[]>) {
  const asked: string[] = [];
  const queue = {
    async publish(batch: readonly Outgoing[]) {
      asked.push(`publish ${batch.map(({ id }) => id).join()}`);
      return batch.map(() => ({ kind: 'stored' }));
    },
    async settle(batch: readonly Settlement[]) {
      for (const one of batch) {
        const ids = one.kind === 'ack' ? one.publish.map(({ id }) => id) : [];
        asked.push(['ack', one.delivery.tag, ...ids].join(' '));
      }
      return batch.map(() => 'settled');
    },
  } as unknown as Queue;
  const engine = { capabilities: {}, open: async () => ({ queue }) } as unknown as Engine;
  const store = { queue: { publish: stored } as unknown as Queue };
  const transport = await remembering(engine, { open: async () => store }).open({} as Host);
  return { asked, queue: transport.queue };
}

test('acks nothing before what it publishes is stored, nor what comes behind it', async () => {
  let store = (): void => {};
  const storing = new Promise<void>((resolve) => void (store = resolve));
  const { asked, queue } = await beside(async (batch) => {
    await storing;
    return batch.map(() => ({ kind: 'stored' }));
  });

  const first = queue.settle([ack(1, outgoing('known', ['id:1']), outgoing('other'))]);
  const second = queue.settle([ack(2)]);
  await new Promise(setImmediate);
  assert.deepEqual(asked, []);
  store();
  await Promise.all([first, second]);

  assert.deepEqual(asked, ['ack 1 other', 'ack 2']);
  await queue.settle([ack(3)]);
  assert.equal(asked.at(-1), 'ack 3');
});

test('rejects an ack whose message could not be stored, and goes on behind it', async () => {
  const error = new MaloteError('ENGINE_BUSY', 'not now');
  const { asked, queue } = await beside(async () => [{ kind: 'refused', error }]);

  const first = queue.settle([ack(1, outgoing('known', ['id:1']))]);
  const second = queue.settle([ack(2)]);

  await assert.rejects(first, { code: 'ENGINE_BUSY' });
  await second;
  assert.deepEqual(asked, ['ack 2']);
});

test('says of each message what became of it, when one of the two ways fails', async () => {
  const { asked, queue } = await beside(async () => {
    throw new MaloteError('ENGINE_BUSY', 'not now');
  });

  const outcomes = await queue.publish([outgoing('known', ['id:1']), outgoing('other')]);

  assert.deepEqual(
    outcomes.map((one) => (one.kind === 'refused' ? [one.error.code, one.error.id] : one.kind)),
    [['ENGINE_BUSY', 'known'], 'stored'],
  );
  assert.deepEqual(asked, ['publish other']);
});

test('does not tell that a topic is kept because nobody relays yet', async () => {
  const { queue } = await beside(async (batch) =>
    batch.map(() => ({ kind: 'stored', kept: true })),
  );

  assert.deepEqual(await queue.publish([outgoing('known', ['id:1'])]), [{ kind: 'stored' }]);
});
