/**
 * A worker that is killed among two: how long until the other one handles what the dead had begun,
 * and what is published for its keys. One message of each key is under way all the time.
 */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Driver } from '../drivers/driver.ts';
import { openDriver } from '../drivers/open.ts';
import { keyName, makeOrder, type Order } from '../load.ts';
import type { Answer, FlowSettings, Spec } from '../scenario.ts';
import { instant, median } from './measure.ts';
import { createPeer, forkPeer, type ForkedPeer } from './peer.ts';
import { onEngine } from './place.ts';
import { until } from './publishing.ts';

type TakeoverSpec = Extract<Spec, { readonly program: 'takeover' }>;

/** Enough that every partition has some of them. */
const keys = 64;
const pauseMs = 2;
/** Long enough for the dead to have something in hand. */
const handleMs = 50;
/** Until partitions are divided anew after a worker has come. */
const settleMs = 3_000;

interface Worker extends ForkedPeer {
  /** Numbers of messages whose handlers it has called. */
  readonly begun: ReadonlySet<number>;
}

interface Stage {
  readonly driver: Driver;
  readonly settings: FlowSettings;
  readonly place: string;
  /** When each message was handled first, by number. */
  readonly handledAt: Map<number, number>;
  issued: number;
}

export async function takeover({ settings, deaths }: TakeoverSpec): Promise<Answer> {
  return await onEngine(settings, async (place) => {
    const driver = await openDriver({ settings, place, handle: async () => {} });
    const stage: Stage = { driver, settings, place, handledAt: new Map(), issued: 0 };
    const workers = [await enter(stage), await enter(stage)];
    const medians: number[] = [];
    const lasts: number[] = [];
    for (let death = 0; death < deaths; death++) {
      await sleep(settleMs);
      await publishFor(stage, settleMs / 4);
      const times = await killed(stage, workers.shift()!);
      medians.push(median(times));
      lasts.push(Math.max(...times));
      workers.push(await enter(stage));
    }
    await allHandled(stage);
    for (const worker of workers) {
      worker.say('finish');
      await worker.heard('finished');
      worker.end();
    }
    await driver.close();
    const metrics = { lastMs: median(lasts), worstMs: Math.max(...lasts), p50Ms: median(medians) };
    return { metrics, versions: driver.versions ?? {} };
  });
}

async function enter({ settings, place, handledAt }: Stage): Promise<Worker> {
  const begun = new Set<number>();
  const worker = forkPeer({ program: 'takeover', settings, place });
  worker.on('handled', (value) => {
    const [n, at] = value as readonly [number, number];
    if (!handledAt.has(n)) handledAt.set(n, at);
  });
  worker.on('begun', (value) => void begun.add(value as number));
  await worker.heard('ready');
  return { ...worker, begun };
}

/** One message of each key in turn, for a while. */
async function publishFor(stage: Stage, ms: number): Promise<void> {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt) {
    await publishOne(stage);
    await sleep(pauseMs);
  }
}

async function publishOne(stage: Stage): Promise<number> {
  stage.issued += 1;
  const n = stage.issued;
  await stage.driver.publish(makeOrder(n, keyName('k', n % keys)));
  return n;
}

/** Milliseconds from the death to the end of the handler: of what it had, and one of each key. */
async function killed(stage: Stage, worker: Worker): Promise<number[]> {
  const publishing = publishFor(stage, settleMs / 4);
  await sleep(settleMs / 8);
  const before = await publishEach(stage);
  const inHand = (n: number): boolean => worker.begun.has(n) && !stage.handledAt.has(n);
  await until(
    () => before.some(inHand),
    () => worker.begun.size,
    () => 'the worker has nothing in hand',
  );
  const killedAt = instant();
  const gone = worker.kill();
  const published = await publishEach(stage);
  await gone;
  await publishing;
  await allHandled(stage);
  const at = (n: number): number => stage.handledAt.get(n)!;
  const held = before.filter((n) => worker.begun.has(n) && at(n) > killedAt);
  assert.ok(held.length > 0, 'the worker died with nothing in hand');
  return [...held, ...published].map((n) => (at(n) - killedAt) / 1e6);
}

function publishEach(stage: Stage): Promise<number[]> {
  return Promise.all(Array.from({ length: keys }, () => publishOne(stage)));
}

/** What the dead had out may be handled twice; nothing may be missing. */
async function allHandled({ handledAt, issued }: Stage): Promise<void> {
  await until(
    () => handledAt.size === issued,
    () => handledAt.size,
    () => `${issued - handledAt.size} messages were not handled`,
  );
}

export async function takeoverPeer(settings: FlowSettings, place: string): Promise<void> {
  const parent = createPeer(process);
  const handle = async ({ n }: Order): Promise<void> => {
    parent.say('begun', n);
    await sleep(handleMs);
    parent.say('handled', [n, instant()]);
  };
  const driver = await openDriver({ settings, place, handle });
  await driver.start();
  parent.say('ready');
  await parent.heard('finish');
  await driver.close();
  parent.say('finished');
}
