/**
 * Payments before customers, on RabbitMQ alone: 1,000 payments before and among the registrations
 * of their customers, over four processes that are killed at random. How often the server delivers
 * a payment is counted by the server itself.
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
/** Once from its queue; once more, where it makes room for others while it waits. */
const mostDeliveries = 3;

overRabbitmq((server) => {
  test('1,000 payments wait for their customers, and none is delivered more than three times', {
    timeout,
  }, async () => {
    const { most, runs } = await play(server(), 'calm', new Set());

    assert.ok(most <= mostDeliveries, `a payment was delivered ${most} times`);
    assert.deepEqual(new Set(runs.values()), new Set([1]), 'each is processed once');
  });

  test('processes are killed at random: each payment is processed, nothing is delivered for ever', {
    timeout,
  }, async () => {
    const random = seededRandom(41);
    const kills = new Set(Array.from({ length: 8 }, () => Math.floor(random() * steps)));
    const { most, total, runs } = await play(server(), 'killed', kills);

    // A death, and the return of a process, move what they held: each time by up to three steps.
    const moves = 2 * kills.size;
    assert.ok(most <= mostDeliveries * (1 + moves), `a payment was delivered ${most} times`);
    assert.ok(total <= mostDeliveries * payments, `there were ${total} deliveries`);
    assert.equal(runs.size, payments);
  });
});

interface Played {
  /** How often the server delivered the payment that it delivered most. */
  readonly most: number;
  /** And all of them. */
  readonly total: number;
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
    const deliveries = await tap.counts();
    const most = Math.max(...deliveries.values());
    const total = [...deliveries.values()].reduce((sum, one) => sum + one, 0);
    return { most, total, runs: examine(histories, { name, kills: kills.size, deliveries }) };
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
  readonly kills: number;
  readonly deliveries: ReadonlyMap<string, number>;
}

/** Fails where a payment came before its customer; answers how often each was processed. */
function examine(histories: string, { name, kills, deliveries }: About): Map<string, number> {
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
  const total = [...deliveries.values()].reduce((sum, one) => sum + one, 0);
  const most = Math.max(...deliveries.values());
  waits.sort((a, b) => a - b);
  const medianMs = waits[waits.length >> 1]! / 1_000;
  console.log(
    `${name}: ${kills} kills, ${runs.size} processed, ${repeated} of them again, ${total} ` +
      `deliveries (${most} at most), ${medianMs.toFixed(1)} ms from registered to processed`,
  );
  return runs;
}

interface Tap {
  /** How often the server delivered each payment until now, by its id. */
  counts(): Promise<ReadonlyMap<string, number>>;
  close(): Promise<void>;
}

/** The server's own trace of what it delivers to anybody. */
async function openTap(server: Server): Promise<Tap> {
  const counts = new Map<string, number>();
  const model = await amqp.connect(server.url);
  const channel = await model.createConfirmChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'amq.rabbitmq.trace', 'deliver.#');
  let last = (): void => {};
  await channel.consume(
    queue,
    (message) => {
      if (message?.properties.messageId === 'last') return last();
      const { properties } = message!.properties.headers as {
        readonly properties: { readonly type?: string; readonly message_id?: string };
      };
      const { type, message_id: id = '' } = properties;
      if (type === PaymentRequested.name) counts.set(id, (counts.get(id) ?? 0) + 1);
    },
    { noAck: true },
  );
  await server.ctl('trace_on');
  return {
    async counts() {
      await server.ctl('trace_off');
      const seen = new Promise<void>((resolve) => (last = resolve));
      channel.sendToQueue(queue, Buffer.from(''), { messageId: 'last' });
      await seen;
      return counts;
    },
    close: () => model.close(),
  };
}
