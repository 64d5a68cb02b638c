/**
 * Payments before and among the registrations of their customers, over several processes and the
 * server alone: how long from the end of a registration's handler to the handler of the payment
 * that waited for it. Payments that came after their customer are checked, and not measured.
 */

import assert from 'node:assert/strict';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBus, dependency, message, type Bus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { keyName } from '../load.ts';
import type { Answer, FlowSettings, Metrics, Spec } from '../scenario.ts';
import { instant, latencies } from './measure.ts';
import { createPeer, forkPeer, type ForkedPeer } from './peer.ts';
import { onEngine } from './place.ts';
import { until } from './publishing.ts';

type ReleaseSpec = Extract<Spec, { readonly program: 'release' }>;

interface Customer {
  readonly customer: string;
}

const registered = dependency('customer');
const orderBy = ({ customer }: Customer): string => customer;
const Registered = message<Customer>('customer.registered', { orderBy });
const Requested = message<Customer>('payment.requested', {
  orderBy,
  waitFor: ({ customer }) => registered(customer),
});
const names = { customers: 'customers', payments: 'payments' } as const;
const lookMs = 50;

/** What happened to each customer, by the clock of the machine. */
interface Book {
  /** When the payment was stored. */
  readonly requestedAt: Map<string, number>;
  readonly registeredAt: Map<string, number>;
  readonly paidAt: Map<string, number>;
}

export async function release(spec: ReleaseSpec): Promise<Answer> {
  const { settings, payments, processes } = spec;
  return await onEngine(settings, async (place) => {
    const bus = openBus(place);
    await bus.subscribe(names.customers, Registered);
    await bus.subscribe(names.payments, Requested);
    const book: Book = { requestedAt: new Map(), registeredAt: new Map(), paidAt: new Map() };
    const starting = Array.from({ length: processes }, () => enter(spec, place, book));
    const workers = await Promise.all(starting);
    await untilShared(bus, processes);
    await publishAll(bus, payments, book);
    await until(
      () => book.paidAt.size === payments,
      () => book.paidAt.size,
      () => `${payments - book.paidAt.size} payments were not handled`,
    );
    for (const worker of workers) {
      worker.say('finish');
      await worker.heard('finished');
      worker.end();
    }
    await bus.stop();
    return { metrics: measured(book, payments) };
  });
}

function openBus(url: string): Bus {
  return createBus({ engine: rabbitmq(url), handleSignals: false, logger: false });
}

async function enter({ settings }: ReleaseSpec, place: string, book: Book): Promise<ForkedPeer> {
  const worker = forkPeer({ program: 'release', settings, place });
  const write = (word: string, at: Map<string, number>): void =>
    worker.on(word, (value) => {
      const [customer, time] = value as readonly [string, number];
      assert.ok(!at.has(customer), `${customer} was ${word} twice`);
      at.set(customer, time);
    });
  write('registered', book.registeredAt);
  write('paid', book.paidAt);
  await worker.heard('ready');
  return worker;
}

async function untilShared(bus: Bus, processes: number): Promise<void> {
  for (;;) {
    const views = await bus.subscriptions.list();
    const owners = views.map(({ partitions }) => new Set(partitions!.map(({ owner }) => owner)));
    if (owners.every((each) => each.size === processes && !each.has(null))) return;
    await sleep(lookMs);
  }
}

/** Half of the payments come first, each other one with a registration, in another order. */
async function publishAll(bus: Bus, payments: number, book: Book): Promise<void> {
  const [paying, registering] = [shuffled(payments), shuffled(payments)];
  const pay = async (customer: string): Promise<void> => {
    await bus.publish(Requested, { customer });
    book.requestedAt.set(customer, instant());
  };
  for (const customer of paying.splice(0, payments / 2)) await pay(customer);
  for (const customer of registering) {
    const next = paying.shift();
    if (next !== undefined) await pay(next);
    await bus.publish(Registered, { customer });
  }
}

function shuffled(count: number): string[] {
  return Array.from({ length: count }, (_, index) => ({ index, rank: Math.random() }))
    .toSorted((a, b) => a.rank - b.rank)
    .map(({ index }) => keyName('c', index));
}

function measured({ requestedAt, registeredAt, paidAt }: Book, payments: number): Metrics {
  const histogram = createHistogram();
  for (const [customer, paid] of paidAt) {
    const since = registeredAt.get(customer);
    assert.ok(since !== undefined && paid > since, `${customer} paid before it was registered`);
    if (requestedAt.get(customer)! < since) histogram.record(paid - since);
  }
  assert.ok(histogram.count >= payments / 2, `only ${histogram.count} payments waited`);
  return { ...latencies(histogram), waited: histogram.count };
}

export async function releasePeer({ concurrency }: FlowSettings, place: string): Promise<void> {
  const parent = createPeer(process);
  const bus = openBus(place);
  const provides = ({ customer }: Customer): ReturnType<typeof registered> => registered(customer);
  bus.consume(
    Registered,
    { name: names.customers, concurrency, provides },
    async ({ data: { customer } }) => parent.say('registered', [customer, instant()]),
  );
  bus.consume(Requested, { name: names.payments, concurrency }, async ({ data: { customer } }) =>
    parent.say('paid', [customer, instant()]),
  );
  await bus.start();
  parent.say('ready');
  await parent.heard('finish');
  await bus.stop();
  parent.say('finished');
}
