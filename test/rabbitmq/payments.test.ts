/**
 * Payments before customers, on RabbitMQ alone: 1,000 payments before and among the registrations
 * of their customers, over four processes that are killed at random. How often the server delivers
 * a payment, and how often a partition changes hands, is counted by the server itself.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import amqp from 'amqplib';
import { type Bus, createBus } from 'malote';
import { seededRandom } from 'malote/testing';
import { test } from 'vitest';
import { engineAt, rabbitmqAt } from '../crash/arena.ts';
import type { ChildSetup } from '../crash/child.ts';
import { type Child, createFleet } from '../crash/fleet.ts';
import { readHistories } from '../crash/history.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { CustomerRegistered, PaymentRequested } from './child-payments.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import type { Server } from './server.ts';

const payments = 1_000;
const processes = 4;
const steps = 50;
const pollMs = 50;
const timeout = 240_000;
/**
 * Once from its queue; once more, where it makes room for others while it waits, or was at work
 * when its owner died; and once where it came in the moment in which its partition was let go.
 */
const mostDeliveries = 3;

overRabbitmq((server) => {
  test('1,000 payments wait for their customers, and none is delivered more than three times', {
    timeout,
  }, async () => {
    const { deliveries, handOvers, runs } = await play(server(), 'calm', new Set());

    assert.deepEqual(above(deliveries, handOvers), []);
    assert.deepEqual(
      new Set(handOvers.values()),
      new Set([0]),
      'each has its owner from first to last',
    );
    assert.deepEqual(new Set(runs.values()), new Set([1]), 'each is processed once');
  });

  test('processes are killed at random: each payment is processed, nothing is delivered for ever', {
    timeout,
  }, async () => {
    const random = seededRandom(41);
    const kills = new Set(Array.from({ length: 8 }, () => Math.floor(random() * steps)));
    const { deliveries, handOvers, runs } = await play(server(), 'killed', kills);

    assert.deepEqual(above(deliveries, handOvers), []);
    // A death, and the return of a process, hand a partition over once at the most.
    assert.ok(Math.max(...handOvers.values()) <= 2 * kills.size, 'partitions go round and round');
    assert.equal(runs.size, payments);
  });
});

/** Whoever takes a partition over is given what waits in it once: what was delivered more often. */
function above(
  deliveries: Played['deliveries'],
  handOvers: Played['handOvers'],
): (Delivered & { readonly handOvers: number })[] {
  return [...deliveries.values()]
    .map((one) => ({ ...one, handOvers: handOvers.get(one.partition)! }))
    .filter((one) => one.count > mostDeliveries + one.handOvers);
}

interface Delivered {
  readonly count: number;
  readonly partition: number;
}

interface Played {
  /** How often the server delivered each payment, and from which partition. */
  readonly deliveries: ReadonlyMap<string, Delivered>;
  /** How often each partition changed hands since the first payment. */
  readonly handOvers: ReadonlyMap<number, number>;
  /** How often each was processed. */
  readonly runs: ReadonlyMap<string, number>;
}

async function play(server: Server, name: string, kills: ReadonlySet<number>): Promise<Played> {
  // Kills end connections at once; a crowded machine ends none, which would move what they hold.
  const { engine } = rabbitmqAt(server.url, name, { partitions: 8, heartbeat: '60s' });
  const histories = join(temporaryFolder(), 'histories');
  mkdirSync(histories);
  const bus = createBus({ engine: engineAt(engine), logger: false });
  const fleet = createFleet();
  const workers: Child[] = [];
  let started = 0;
  const start = async (place: number): Promise<void> => {
    const setup: ChildSetup = { engine, name: `worker-${(started += 1)}`, histories, seed: 0 };
    workers[place] = fleet.start('../rabbitmq/child-payments.ts', setup.name, setup);
    await workers[place].noticesOf('up', 1);
  };
  const tap = await openTap(server);
  try {
    await bus.subscribe('customers', CustomerRegistered);
    await bus.subscribe('payments', PaymentRequested);
    await Promise.all(Array.from({ length: processes }, (_, place) => start(place)));
    await untilShared(bus);
    const first = await tap.epochs();
    const random = seededRandom(17);
    for (const step of stepsOf(random)) {
      await publish(bus, step);
      if (!kills.has(step.number)) continue;
      const place = Math.floor(random() * processes);
      workers[place]!.signal('SIGKILL');
      await workers[place]!.ended;
      await start(place);
    }
    await untilDone(bus, histories);
    const last = await tap.epochs();
    const deliveries = await tap.counts();
    const handOvers = new Map(
      [...last].map(([index, epoch]) => [index, epoch - first.get(index)!]),
    );
    return { deliveries, handOvers, runs: examine(histories, { name, handOvers, deliveries }) };
  } finally {
    await fleet.end();
    await bus.stop();
    await tap.close();
  }
}

interface Step {
  readonly number: number;
  readonly payments: readonly string[];
  readonly registrations: readonly string[];
}

/** Half of the payments come first, the rest among the registrations. */
function stepsOf(random: () => number): Step[] {
  const shuffled = (): string[] =>
    Array.from({ length: payments }, (_, number) => ({ number, rank: random() }))
      .toSorted((a, b) => a.rank - b.rank)
      .map(({ number }) => `customer ${number}`);
  const [paying, registering] = [shuffled(), shuffled()];
  const early = paying.splice(0, payments / 2);
  const part = (all: readonly string[], number: number): string[] =>
    all.slice((number * all.length) / steps, ((number + 1) * all.length) / steps);
  return Array.from({ length: steps }, (_, number) => ({
    number,
    payments: number === 0 ? [...early, ...part(paying, 0)] : part(paying, number),
    registrations: part(registering, number),
  }));
}

async function publish(bus: Bus, step: Step): Promise<void> {
  for (const customer of step.payments) await bus.publish(PaymentRequested, { customer });
  for (const customer of step.registrations) await bus.publish(CustomerRegistered, { customer });
}

async function untilShared(bus: Bus): Promise<void> {
  for (;;) {
    const views = await bus.subscriptions.list();
    const owners = views.map(({ partitions }) => new Set(partitions!.map(({ owner }) => owner)));
    if (owners.every((each) => each.size === processes && !each.has(null))) return;
    await pause(pollMs);
  }
}

async function untilDone(bus: Bus, histories: string): Promise<void> {
  for (;;) {
    const views = await bus.subscriptions.list();
    const isEmpty = views.every(({ stats }) => stats.depth === 0);
    if (isEmpty && timesOf(histories, 'payments').size === payments) return;
    await pause(pollMs);
  }
}

/** When each was processed, each time; microseconds. */
function timesOf(histories: string, subscription: string): Map<string, number[]> {
  const times = new Map<string, number[]>();
  for (const { line } of readHistories(histories)) {
    if (line.f !== 'end' || line.subscription !== subscription) continue;
    times.set(line.label, [...(times.get(line.label) ?? []), line.at]);
  }
  return times;
}

interface About {
  readonly name: string;
  readonly handOvers: Played['handOvers'];
  readonly deliveries: Played['deliveries'];
}

/** Fails where a payment came before its customer; answers how often each was processed. */
function examine(histories: string, { name, handOvers, deliveries }: About): Map<string, number> {
  assert.equal(deliveries.size, payments, 'the server has told of every payment');
  const registered = timesOf(histories, 'customers');
  const runs = new Map<string, number>();
  const waits: number[] = [];
  for (const [customer, times] of timesOf(histories, 'payments')) {
    const since = Math.min(...(registered.get(customer) ?? [Number.POSITIVE_INFINITY]));
    const first = Math.min(...times);
    assert.ok(first > since, `the payment of ${customer} was processed before it was registered`);
    waits.push(first - since);
    runs.set(customer, times.length);
  }
  const repeated = [...runs.values()].filter((count) => count > 1).length;
  const counts = [...deliveries.values()].map(({ count }) => count);
  const total = counts.reduce((sum, one) => sum + one, 0);
  const most = Math.max(...counts);
  waits.sort((a, b) => a - b);
  const medianMs = waits[waits.length >> 1]! / 1_000;
  console.log(
    `${name}: partitions handed over ${[...handOvers.values()].join(', ')} times, ` +
      `${runs.size} processed, ${repeated} of them again, ${total} deliveries (${most} at most), ` +
      `${medianMs.toFixed(1)} ms from registered to processed`,
  );
  return runs;
}

interface Tap {
  /** How often each partition was taken until now. */
  epochs(): Promise<ReadonlyMap<number, number>>;
  /** What the server delivered of each payment, by its id. The last that is asked. */
  counts(): Promise<ReadonlyMap<string, Delivered>>;
  close(): Promise<void>;
}

/** The server's own trace of what it delivers to anybody. */
async function openTap(server: Server): Promise<Tap> {
  const counts = new Map<string, Delivered>();
  const epochs = new Map<number, number>();
  const model = await amqp.connect(server.url);
  const channel = await model.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'amq.rabbitmq.trace', 'deliver.#');
  let caughtUp = (): void => {};
  await channel.consume(
    queue,
    (message) => {
      if (message?.properties.messageId === 'mark') return caughtUp();
      const { partition, type, id, epoch } = tracedOf(message!);
      if (partition === null) return;
      if (type === PaymentRequested.name) {
        counts.set(id, { partition, count: (counts.get(id)?.count ?? 0) + 1 });
      } else epochs.set(partition, Math.max(epoch, epochs.get(partition) ?? 0));
    },
    { noAck: true },
  );
  await server.ctl('trace_on');
  const catchUp = async (): Promise<void> => {
    const seen = new Promise<void>((resolve) => (caughtUp = resolve));
    channel.sendToQueue(queue, Buffer.from(''), { messageId: 'mark' });
    await seen;
  };
  return {
    async epochs() {
      await catchUp();
      return new Map(epochs);
    },
    async counts() {
      await server.ctl('trace_off');
      await catchUp();
      return counts;
    },
    close: () => model.close(),
  };
}

interface Traced {
  /** Null: of no partition of the payments. */
  readonly partition: number | null;
  readonly type: string | undefined;
  readonly id: string;
  /** Of the token by which a partition is taken; else 0. */
  readonly epoch: number;
}

function tracedOf({ fields, properties }: amqp.ConsumeMessage): Traced {
  const traced = (properties.headers as { readonly properties: TracedProperties }).properties;
  const note = JSON.parse(traced.headers?.['malote-note'] ?? '{}') as { readonly epoch?: number };
  const index = /\.q\.payments\/[ps](\d+)$/.exec(fields.routingKey)?.[1];
  return {
    partition: index === undefined ? null : Number(index),
    type: traced.type,
    id: traced.message_id ?? '',
    epoch: note.epoch ?? 0,
  };
}

interface TracedProperties {
  readonly type?: string;
  readonly message_id?: string;
  readonly headers?: { readonly 'malote-note'?: string };
}
