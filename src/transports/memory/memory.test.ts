/** What holds of this engine beyond the contract: its options, its disorder, its two shapes. */

import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { seededRandom } from '../../testing/seeded.ts';
import { settleTurns, virtualClock, type VirtualClock } from '../../testing/virtual-clock.ts';
import type {
  Delivery,
  Engine,
  EngineEvent,
  Lease,
  Outgoing,
  Settlement,
  SubscriptionSpec,
  Transport,
} from '../../transport/transport.ts';
import { partitionOf } from './broker.ts';
import { memory } from './index.ts';

const spec: SubscriptionSpec = {
  name: 'billing',
  topics: ['order.placed'],
  order: 'key',
  onDead: 'skip',
  waits: true,
  waitingDeadlineMs: 86_400_000,
  waitingOrder: 'hold',
  maxDepth: 1_000_000,
  from: 'kept',
  replace: false,
};

const failure = { name: 'Error', message: 'failed on purpose' };

interface Process {
  readonly transport: Transport;
  readonly events: EngineEvent[];
  readonly received: Delivery[];
  readonly lost: Lease[];
  grant(messages: number): void;
  stop(): void;
}

async function start(engine: Engine, clock: VirtualClock, slots = 10): Promise<Process> {
  const events: EngineEvent[] = [];
  const received: Delivery[] = [];
  const lost: Lease[] = [];
  let ids = 0;
  const transport = await engine.open({
    clock,
    random: seededRandom(7),
    newId: () => `id${++ids}`,
    process: 'process',
    leaseMs: 9_000,
    journal: 'exceptions',
    keepDoneMs: 0,
    facts: null,
    seal: () => assert.fail('nobody publishes without malote'),
    notify: (event) => void events.push(event),
    failed: (error) => assert.fail(error.message),
  });
  await transport.queue.subscribe([spec]);
  const { grant, stop } = transport.queue.consume(
    'billing',
    { slots },
    {
      deliver: (batch) => void received.push(...batch),
      lost: (leases) => void lost.push(...leases),
    },
  );
  return { transport, events, received, lost, grant, stop };
}

function message(id: string, key: string | null = null, more: Partial<Outgoing> = {}): Outgoing {
  return {
    id,
    topic: 'order.placed',
    body: id,
    headers: null,
    key,
    delayMs: 0,
    dedupe: [],
    facts: [],
    ...more,
  };
}

function ack(delivery: Delivery): Settlement {
  return { kind: 'ack', delivery, opens: [], publish: [] };
}

function dies(delivery: Delivery): Settlement {
  return { kind: 'dead-letter', delivery, reason: 'gave-up', failure, attempts: delivery.attempt };
}

/** Acks whatever comes until the message with this id is out. */
async function workUntil(process: Process, id: string): Promise<Delivery> {
  for (let round = 0; round < 20; round++) {
    process.grant(2);
    await settleTurns(10);
    const wanted = process.received.find((delivery) => delivery.id === id);
    if (wanted !== undefined) return wanted;
    await process.transport.queue.settle(process.received.splice(0).map(ack));
  }
  return assert.fail(`${id} never came`);
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

test('options are checked, by name and by value', () => {
  assert.throws(() => memory({ shap: 'lanes' } as never), /did you mean "shape"/);
  assert.throws(() => memory({ shape: 'queues' } as never), /"lanes" or "partitions"/);
  assert.throws(() => memory({ partitions: 0 }), /integer from 1 to 1024/);
  assert.equal(memory({ shape: 'partitions', partitions: 3 }).capabilities.fencing, false);
});

describe.each(['lanes', 'partitions'] as const)('in the shape %s', (shape) => {
  test('messages without a key come in another order than they were published in', async () => {
    const one = await start(memory({ shape }), virtualClock());
    const ids = numbers(40).map((index) => `m${index}`);
    await one.transport.queue.publish(ids.map((id) => message(id)));
    one.grant(40);
    await settleTurns(8);

    const came = one.received.map(({ id }) => id);
    assert.equal(came.length, 40);
    assert.notDeepEqual(came, ids);
    assert.deepEqual(came.toSorted(), ids.toSorted());
    await one.transport.close();
  });

  test('nothing is delivered inside the call that makes it possible', async () => {
    const one = await start(memory({ shape }), virtualClock());
    one.grant(10);
    const publishing = one.transport.queue.publish([message('m', 'k'), message('n', 'k')]);
    assert.deepEqual(one.received, []);
    await publishing;
    await settleTurns(8);
    const before = one.received.length;
    const settling = one.transport.queue.settle([ack(one.received[0]!)]);
    assert.equal(one.received.length, before);
    await settling;
    await one.transport.close();
  });

  test('a history keeps its newest hundred lines', async () => {
    const clock = virtualClock();
    const one = await start(memory({ shape }), clock);
    await one.transport.queue.publish([message('m', 'k')]);
    for (let round = 0; round < 120; round++) {
      one.grant(1);
      await settleTurns(6);
      const delivery = one.received.at(-1)!;
      await one.transport.queue.settle([{ kind: 'retry', delivery, afterMs: 0, failure }]);
    }

    const [view] = await one.transport.store.get('m');
    assert.equal(view?.history.length, 100);
    assert.equal(view?.history.at(-1)?.attempt, 120);
    await one.transport.close();
  });

  test('who holds a message of a forgotten subscription is told', async () => {
    const one = await start(memory({ shape }), virtualClock());
    await one.transport.queue.publish([message('m', 'k')]);
    one.grant(1);
    await settleTurns(8);
    await one.transport.queue.unsubscribe('billing');

    assert.deepEqual(
      one.lost.map(({ id }) => id),
      one.received.map(({ lease }) => lease.id),
    );
    await one.transport.close();
  });

  test('whoever holds the followers of a blocked key is told before the answer', async () => {
    const engine = memory({ shape });
    const one = await start(engine, virtualClock());
    await one.transport.queue.subscribe([{ ...spec, onDead: 'block' }]);
    await one.transport.queue.publish([message('a', 'k'), message('b', 'k')]);
    await settleTurns(8);
    one.grant(2);
    await settleTurns(8);
    const [a, b] = one.received;
    assert.ok(a && b && a.lease.id === b.lease.id);

    assert.deepEqual(await one.transport.queue.settle([dies(a)]), ['settled']);
    assert.deepEqual(
      one.lost.map(({ id }) => id),
      [a.lease.id],
    );
    assert.deepEqual(await one.transport.queue.settle([ack(b)]), ['lease-lost']);
    const told = one.events.map(({ kind }) => kind);
    assert.deepEqual(
      told.filter((kind) => kind !== 'partition-taken'),
      ['blocked'],
    );
    await one.transport.close();
  });

  test('behind an ack that finds no room, the others of its key stay leased', async () => {
    const one = await start(memory({ shape }), virtualClock());
    await one.transport.queue.subscribe([
      { ...spec, name: 'tight', topics: ['tight'], maxDepth: 1 },
    ]);
    await one.transport.queue.publish([message('a', 'k'), message('b', 'k')]);
    await one.transport.queue.publish([message('x', null, { topic: 'tight' })]);
    await settleTurns(8);
    one.grant(2);
    await settleTurns(8);
    const [a, b] = one.received;
    assert.ok(a && b && a.lease.id === b.lease.id);
    const publish = [message('y', null, { topic: 'tight' })];

    const outcomes = await one.transport.queue.settle([
      { kind: 'ack', delivery: a, opens: [], publish },
      ack(b),
    ]);

    assert.deepEqual(outcomes, ['full', 'full']);
    assert.deepEqual(await one.transport.queue.settle([ack(a), ack(b)]), ['settled', 'settled']);
    await one.transport.close();
  });

  test('a closed connection refuses by name, and closes as often as one likes', async () => {
    const one = await start(memory({ shape }), virtualClock());
    await one.transport.close();
    await one.transport.close();
    one.transport.abandon();

    const closed = { code: 'BUS_STOPPED' };
    await assert.rejects(one.transport.queue.publish([message('m')]), closed);
    await assert.rejects(one.transport.queue.settle([]), closed);
    await assert.rejects(one.transport.store.get('m'), closed);
  });

  test('consuming what nobody subscribed is refused by name', async () => {
    const one = await start(memory({ shape }), virtualClock());
    const sink = { deliver: () => undefined, lost: () => undefined };
    assert.throws(() => one.transport.queue.consume('unknown', { slots: 1 }, sink), {
      code: 'NOT_FOUND',
    });
    await one.transport.close();
  });
});

describe('partitions', () => {
  test('are shared out among those who come, and taken over from those who go', async () => {
    const engine = memory({ shape: 'partitions' });
    const clock = virtualClock();
    const one = await start(engine, clock);
    const keys = numbers(64).map((index) => `k${index}`);
    await one.transport.queue.publish(keys.map((key) => message(`1 of ${key}`, key)));
    const two = await start(engine, clock);
    await settleTurns(8);
    for (const each of [one, two]) each.grant(100);
    await settleTurns(8);
    assert.equal(one.received.length + two.received.length, 64);
    assert.ok(one.received.length > 16 && two.received.length > 16);

    await two.transport.close();
    await settleTurns(8);
    assert.equal(one.received.length, 64);
    assert.ok(
      one.received.every(({ attempt }) => attempt === 1),
      'an orderly end spends nothing',
    );
    const outcomes = await one.transport.queue.settle(one.received.map(ack));
    assert.ok(outcomes.every((outcome) => outcome === 'settled'));
    await one.transport.close();
  });

  test('move only when nothing of them is at work', async () => {
    const engine = memory({ shape: 'partitions', partitions: 2 });
    const clock = virtualClock();
    const one = await start(engine, clock);
    // By the hash of these keys: one in each of the two partitions.
    await one.transport.queue.publish([message('a1', 'a'), message('b1', 'b')]);
    await settleTurns(8);
    one.grant(2);
    await settleTurns(8);
    assert.equal(one.received.length, 2);
    await one.transport.queue.publish([message('a2', 'a'), message('b2', 'b')]);
    one.grant(10);

    const two = await start(engine, clock);
    two.grant(10);
    await settleTurns(8);
    assert.deepEqual(two.received, []);
    await one.transport.queue.settle(one.received.map(ack));
    await settleTurns(8);

    const came = [...one.received.slice(2), ...two.received].map(({ id }) => id);
    assert.deepEqual(came.toSorted(), ['a2', 'b2']);
    assert.equal(two.received.length, 1);
    for (const each of [one, two]) await each.transport.close();
  });

  test('a fact is seen by every process, each in its own time', async () => {
    const engine = memory({ shape: 'partitions' });
    const clock = virtualClock();
    const [one, two] = [await start(engine, clock), await start(engine, clock)];
    const waiting = numbers(20).map((index) =>
      message(`m${index}`, `k${index}`, { facts: ['f:1'] }),
    );
    await one.transport.queue.publish(waiting);
    for (const each of [one, two]) each.grant(50);
    await settleTurns(8);
    assert.equal(one.received.length + two.received.length, 0);

    await two.transport.queue.mark([{ fact: 'f:1', state: 'fulfilled' }]);
    await settleTurns(8);

    assert.equal(one.received.length + two.received.length, 20);
    const woken = [one, two].map(({ events }) => events.filter(({ kind }) => kind === 'woken'));
    assert.deepEqual(
      woken.map((events) => events.length),
      [one.received.length, two.received.length],
    );
    for (const each of [one, two]) await each.transport.close();
  });

  test('a message that kills its process is known for it by the fourth delivery', async () => {
    const engine = memory({ shape: 'partitions' });
    const clock = virtualClock();
    let process = await start(engine, clock);
    await process.transport.queue.publish([message('poison', 'k'), message('other', 'l')]);
    const seen: string[] = [];
    for (let crash = 0; crash < 4; crash++) {
      const poison = await workUntil(process, 'poison');
      seen.push(`${poison.attempt} ${poison.suspicion}`);
      process.transport.abandon();
      process = await start(engine, clock);
    }

    assert.deepEqual(seen, ['1 none', '2 beside', '3 beside', '4 alone']);
    await process.transport.close();
  });

  test('whoever dies while it buries a message leaves one of the two, never both', async () => {
    for (const turns of [0, 1, 2, 3]) {
      const engine = memory({ shape: 'partitions' });
      const clock = virtualClock();
      const dying = await start(engine, clock);
      await dying.transport.queue.publish([message('m', 'k')]);
      await settleTurns(8);
      dying.grant(1);
      await settleTurns(8);
      const burying = dying.transport.queue
        .settle([dies(dying.received[0]!)])
        .catch(() => undefined);
      await settleTurns(turns);
      dying.transport.abandon();
      await burying;

      const next = await start(engine, clock);
      next.grant(5);
      await settleTurns(12);
      const query = { subscription: null, id: 'm', cursor: null, limit: 10 };
      const dead = (await next.transport.store.dead(query)).items.length;
      assert.equal(dead + next.received.length, 1, `after ${turns} turns`);
      await next.transport.close();
    }
  });
});

test('keys spread over all partitions, and a key never changes its partition', () => {
  const counts = Array.from({ length: 8 }, () => 0);
  for (let index = 0; index < 8_000; index++) {
    const partition = partitionOf(`customer-${index}`, 8);
    counts[partition] = (counts[partition] ?? 0) + 1;
  }

  assert.ok(Math.max(...counts) < 1_200 && Math.min(...counts) > 800, counts.join(' '));
  assert.deepEqual(
    ['a', 'b', 'ключ', 'customer-1'].map((key) => partitionOf(key, 8)),
    [4, 5, 4, 0],
  );
});
