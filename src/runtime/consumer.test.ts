/** What a consumer asks for, and starts, when leases are lost while its acks are unanswered. */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { MaloteError } from '../errors.ts';
import { fixed } from '../policy/backoff.ts';
import { settleTurns, virtualClock } from '../testing/virtual-clock.ts';
import type { Delivery, Outgoing, Queue, SettleOutcome, Sink } from '../transport/transport.ts';
import { type Consumer, type ConsumerOptions, createConsumer } from './consumer.ts';

test('once an ack that publishes is answered, as much is asked for as before its lease was lost', async () => {
  const { consumer, engine, handled } = create();
  consumer.start();
  assert.equal(engine.granted, 2);
  engine.deliver(lane(1, ['a1', 'a2']));
  await settleTurns();
  assert.deepEqual(handled, ['a1'], 'what is behind an unanswered ack waits');

  engine.lose(1);
  await settleTurns();
  const before = engine.granted;
  engine.answer('lease-lost');
  await settleTurns();

  assert.deepEqual(handled, ['a1']);
  assert.equal(before, 3, 'what stood behind is free at once');
  assert.equal(engine.granted, 4, 'and the message itself when its ack is answered');
  engine.deliver(lane(2, ['b1', 'b2']));
  await settleTurns();
  assert.deepEqual(handled, ['a1', 'b1']);
});

test('what stood behind an unanswered ack does not start when its lease is lost, whatever the answer', async () => {
  const { consumer, engine, handled } = create();
  consumer.start();
  engine.deliver(lane(1, ['a1', 'a2']));
  await settleTurns();

  engine.lose(1);
  engine.answer('settled');
  await settleTurns();

  assert.deepEqual(handled, ['a1']);
  assert.equal(engine.granted, 4);
});

test('what stands behind a running message of its lane keeps no slot idle', async () => {
  const { consumer, engine, handled } = create();
  consumer.start();
  engine.deliver(lane(1, ['a1', 'a2']));
  await settleTurns();
  assert.equal(engine.granted, 3, 'one more for the second slot');

  engine.deliver(lane(2, ['b1']));
  await settleTurns();
  assert.deepEqual(handled, ['a1', 'b1']);
  assert.equal(engine.granted, 3, 'both slots are taken');
});

test('who lost a message whose ack the engine had refused is told before it comes again', async () => {
  const { consumer, engine, handled, told } = create();
  consumer.start();
  engine.deliver(lane(1, ['a1', 'a2']));
  await settleTurns();
  engine.refuse(new MaloteError('ENGINE_BUSY', 'the file is locked'));
  await settleTurns();

  engine.lose(1);
  assert.deepEqual(told, ['engine-trouble', 'lease-lost']);
  engine.deliver(lane(2, ['a1', 'a2']));
  await settleTurns();

  assert.deepEqual(handled, ['a1', 'a1']);
  assert.equal(engine.granted, 4 + 1, 'two are free again, and one stands behind what runs');
});

/** An engine that does what it is told: its answers and its losses come when the test says so. */
function create(): {
  consumer: Consumer;
  engine: Scripted;
  handled: readonly string[];
  /** Kinds of events. */
  told: readonly string[];
} {
  const handled: string[] = [];
  const told: string[] = [];
  const engine = new Scripted();
  const clock = virtualClock();
  const consumer = createConsumer({
    subscription: 's',
    handling: {
      concurrency: 2,
      concurrencyByType: new Map(),
      rate: null,
      timeoutMs: 60_000,
      retry: { attempts: 5, backoff: fixed(1), giveUpOn: [] },
    },
    queue: engine as unknown as Queue,
    permits: null,
    clock,
    random: () => 0,
    events: {
      heard: false,
      emit: ({ kind }) => void told.push(kind),
      kept: () => undefined,
      notify: () => undefined,
    },
    logger: null as never,
    envelope: null as never,
    inbox: null,
    read: ({ id, topic, key }) => ({
      kind: 'read',
      message: { id, type: topic, data: null, key, publishedAt: new Date(0), headers: {} },
    }),
    handle({ id }, context) {
      handled.push(id);
      context.staged = [{ id: `after ${id}` } as Outgoing];
    },
    provides: () => [],
    isStopping: () => false,
    roomMade: () => undefined,
  } satisfies ConsumerOptions);
  return { consumer, engine, handled, told };
}

interface Call {
  resolve(outcomes: readonly SettleOutcome[]): void;
  reject(error: Error): void;
}

class Scripted implements Pick<Queue, 'consume' | 'settle'> {
  granted = 0;
  #sink: Sink | null = null;
  readonly #unanswered: Call[] = [];

  consume(_: string, __: unknown, sink: Sink): ReturnType<Queue['consume']> {
    this.#sink = sink;
    return { grant: (messages) => void (this.granted += messages), stop: () => undefined };
  }

  settle(): Promise<readonly SettleOutcome[]> {
    return new Promise((resolve, reject) => void this.#unanswered.push({ resolve, reject }));
  }

  deliver(batch: readonly Delivery[]): void {
    this.#sink!.deliver(batch);
  }

  lose(lease: number): void {
    this.#sink!.lost([{ id: lease, token: lease }]);
  }

  answer(outcome: SettleOutcome): void {
    this.#unanswered.shift()!.resolve([outcome]);
  }

  refuse(error: MaloteError): void {
    this.#unanswered.shift()!.reject(error);
  }
}

function lane(lease: number, ids: readonly string[]): Delivery[] {
  return ids.map((id, tag) => ({
    lease: { id: lease, token: lease },
    subscription: 's',
    id,
    topic: 't',
    body: '{}',
    headers: null,
    key: `key ${lease}`,
    acceptedAt: 0,
    attempt: 1,
    suspicion: 'none',
    waitTimedOut: false,
    lacking: [],
    tag,
  }));
}
