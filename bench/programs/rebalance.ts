/**
 * Processes that come and go under load: how long after each change every one that is there has its
 * share of the partitions. Throughout, messages of a key are handled in the order in which they
 * were published, and none is missing in the end.
 */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBus, message, type Bus } from 'malote';
import { rabbitmq } from 'malote/rabbitmq';
import { keyName, makeOrder, type Order } from '../load.ts';
import type { Answer, FlowSettings, Spec } from '../scenario.ts';
import { instant, median } from './measure.ts';
import { createPeer, forkPeer, type ForkedPeer } from './peer.ts';
import { onEngine } from './place.ts';
import { until } from './publishing.ts';

type RebalanceSpec = Extract<Spec, { readonly program: 'rebalance' }>;

const processes = 8;
/** How many of them go and come at once. */
const moving = 4;
const publishers = 8;
const pauseMs = 5;
const steadyMs = 1_000;
const lookMs = 20;
const name = 'bench';

const Placed = message<Order>('order.placed', { orderBy: ({ key }) => key });

interface Worker extends ForkedPeer {
  readonly pid: number;
}

/** The first call of a handler. */
interface Begun {
  readonly key: string;
  readonly at: number;
}

interface Stage {
  readonly bus: Bus;
  readonly settings: FlowSettings;
  readonly place: string;
  readonly workers: Worker[];
  /** By the number of the message. */
  readonly begun: Map<number, Begun>;
  issued: number;
  isOver: boolean;
}

export async function rebalance({ settings, moves }: RebalanceSpec): Promise<Answer> {
  return await onEngine(settings, async (place) => {
    const bus = openBus(place);
    await bus.subscribe(name, Placed);
    const given = { bus, settings, place, workers: [], begun: new Map<number, Begun>() };
    const stage: Stage = { ...given, issued: 0, isOver: false };
    await come(stage, processes);
    const publishing = Array.from({ length: publishers }, (_, index) => publish(stage, index));
    const times: number[] = [];
    for (let move = 0; move < moves; move++) {
      await sleep(steadyMs);
      times.push(await go(stage, moving));
      await sleep(steadyMs);
      times.push(await come(stage, moving));
    }
    stage.isOver = true;
    await Promise.all(publishing);
    await allBegun(stage);
    await Promise.all(stage.workers.map(leave));
    await bus.stop();
    assertInOrder(stage);
    return { metrics: { worstMs: Math.max(...times), p50Ms: median(times) } };
  });
}

function openBus(url: string): Bus {
  return createBus({ engine: rabbitmq(url), handleSignals: false, logger: false });
}

/** Each publisher has keys of its own, and publishes one message after the other. */
async function publish(stage: Stage, index: number): Promise<void> {
  const own = stage.settings.keys / publishers;
  for (let turn = 0; !stage.isOver; turn++) {
    stage.issued += 1;
    const key = keyName('k', index * own + (turn % own));
    await stage.bus.publish(Placed, makeOrder(stage.issued, key));
    await sleep(pauseMs);
  }
}

/** Milliseconds from their start until all have their shares. */
async function come(stage: Stage, count: number): Promise<number> {
  const coming = await Promise.all(Array.from({ length: count }, () => prepare(stage)));
  const beganAt = performance.now();
  for (const worker of coming) worker.say('start');
  stage.workers.push(...coming);
  return await shared(stage, beganAt);
}

/** The same from the moment when they are told to stop, for those that stay. */
async function go(stage: Stage, count: number): Promise<number> {
  const going = stage.workers.splice(0, count);
  const beganAt = performance.now();
  const [tookMs] = await Promise.all([shared(stage, beganAt), ...going.map(leave)]);
  return tookMs;
}

async function prepare({ settings, place, begun }: Stage): Promise<Worker> {
  const worker = forkPeer({ program: 'rebalance', settings, place });
  worker.on('begun', (value) => {
    const { n, ...call } = value as Begun & { readonly n: number };
    const before = begun.get(n);
    if (before === undefined || call.at < before.at) begun.set(n, call);
  });
  const pid = (await worker.heard('ready')) as number;
  return { ...worker, pid };
}

async function leave(worker: Worker): Promise<void> {
  worker.say('finish');
  await worker.heard('finished');
  worker.end();
}

async function shared({ bus, workers }: Stage, beganAt: number): Promise<number> {
  const pids = workers.map(({ pid }) => pid);
  for (;;) {
    const view = (await bus.subscriptions.list()).find((one) => one.name === name);
    if (isShared(view?.partitions ?? [], pids)) return performance.now() - beganAt;
    await sleep(lookMs);
  }
}

type Partitions = NonNullable<Awaited<ReturnType<Bus['subscriptions']['list']>>[0]['partitions']>;

/** Every partition has an owner among these, and nobody has more than a share. */
function isShared(partitions: Partitions, pids: readonly number[]): boolean {
  const counts = new Map(pids.map((pid) => [pid, 0]));
  for (const { owner } of partitions) {
    const pid = Number(owner?.split('/')[1]);
    const before = counts.get(pid);
    if (before === undefined) return false;
    counts.set(pid, before + 1);
  }
  const most = Math.ceil(partitions.length / pids.length);
  return partitions.length > 0 && [...counts.values()].every((count) => count <= most);
}

async function allBegun({ begun, issued }: Stage): Promise<void> {
  assert.ok(issued > 0, 'no message was published');
  await until(
    () => begun.size === issued,
    () => begun.size,
    () => `${issued - begun.size} messages were not handled`,
  );
}

/** What was given back may be handled twice: the first time counts. */
function assertInOrder({ begun }: Stage): void {
  const latest = new Map<string, number>();
  let misordered = 0;
  for (const [n, { key }] of [...begun].toSorted(([, a], [, b]) => a.at - b.at)) {
    const before = latest.get(key) ?? 0;
    if (n < before) misordered += 1;
    latest.set(key, Math.max(before, n));
  }
  assert.equal(misordered, 0, `${misordered} messages came out of order`);
}

export async function rebalancePeer({ concurrency }: FlowSettings, place: string): Promise<void> {
  const parent = createPeer(process);
  const bus = openBus(place);
  bus.consume(Placed, { name, concurrency }, async ({ data: { n, key } }) => {
    parent.say('begun', { n, key, at: instant() });
  });
  parent.say('ready', process.pid);
  await parent.heard('start');
  await bus.start();
  await parent.heard('finish');
  await bus.stop();
  parent.say('finished');
}
