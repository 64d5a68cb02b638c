/**
 * What stands there for long: facts that hold, and messages that wait. How long a process takes to
 * start beside them, and to take over from one that is killed, and what it weighs. Each time counts
 * until a message of every key is handled, so that every partition is at work.
 */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMalote } from '../drivers/malote.ts';
import type { WaitingDriver } from '../drivers/driver.ts';
import { beside, keyName, makeOrder, type Order } from '../load.ts';
import type { Answer, FlowSettings, Spec } from '../scenario.ts';
import { megabyte } from './measure.ts';
import { createPeer, forkPeer, type ForkedPeer } from './peer.ts';
import { onEngine } from './place.ts';
import { publishMany, until } from './publishing.ts';

/** Enough that every partition has some of them. */
const keys = 64;
const factsAtOnce = 1_000;
/** Until partitions are divided anew after a worker has come. */
const settleMs = 3_000;

interface Stage {
  readonly driver: WaitingDriver;
  readonly settings: FlowSettings;
  readonly place: string;
  readonly handled: Set<number>;
  issued: number;
}

export async function standing(
  spec: Extract<Spec, { readonly program: 'standing' }>,
): Promise<Answer> {
  const { settings, facts, parked } = spec;
  return await onEngine(settings, async (place) => {
    const driver = await openMalote({ settings, place, handle: async () => {} });
    const stage: Stage = { driver, settings, place, handled: new Set(), issued: 0 };
    await openFacts(driver, facts);
    if (parked > 0) await park(stage, parked);

    const first = await prepare(stage);
    const startMs = await untilAllKeys(stage, () => first.say('start'));
    const second = await prepare(stage);
    second.say('start');
    await second.heard('started');
    await sleep(settleMs);
    const takeoverMs = await untilAllKeys(stage, () => void first.kill());
    second.say('finish');
    const rssMb = Number(await second.heard('finished'));
    second.end();
    await driver.close();
    return { metrics: { startMs, takeoverMs, rssMb }, versions: driver.versions ?? {} };
  });
}

async function openFacts(driver: WaitingDriver, facts: number): Promise<void> {
  for (let from = 0; from < facts; from += factsAtOnce) {
    const size = Math.min(factsAtOnce, facts - from);
    await driver.fulfil(...Array.from({ length: size }, (_, index) => keyName('f', from + index)));
  }
}

/** Has them taken in by a worker, which is ended afterwards: they stand in the side queues. */
async function park(stage: Stage, parked: number): Promise<void> {
  const { driver } = stage;
  const worker = await prepare(stage);
  worker.say('start');
  await worker.heard('started');
  await publishMany(parked, (index) => driver.publish(makeOrder(beside, keyName('b', index))));
  for (let waiting = 0, before = -1; waiting < parked; ) {
    assert.ok(waiting > before, `${parked - waiting} messages do not wait`);
    await sleep(settleMs);
    [before, waiting] = [waiting, await driver.waiting()];
  }
  await worker.kill();
}

async function prepare({ settings, place, handled }: Stage): Promise<ForkedPeer> {
  const worker = forkPeer({ program: 'standing', settings, place });
  worker.on('handled', (n) => void handled.add(n as number));
  await worker.heard('ready');
  return worker;
}

/** Milliseconds from `begin` until a message of each key is handled. */
async function untilAllKeys(stage: Stage, begin: () => void): Promise<number> {
  const { driver, handled } = stage;
  const beganAt = performance.now();
  begin();
  await publishMany(keys, (index) => {
    stage.issued += 1;
    return driver.publish(makeOrder(stage.issued, keyName('k', index)));
  });
  await until(
    () => handled.size === stage.issued,
    () => handled.size,
    () => `${stage.issued - handled.size} messages were not handled`,
  );
  return performance.now() - beganAt;
}

export async function standingPeer(settings: FlowSettings, place: string): Promise<void> {
  const parent = createPeer(process);
  const handle = async ({ n }: Order): Promise<void> => parent.say('handled', n);
  const driver = await openMalote({ settings, place, handle });
  parent.say('ready');
  await parent.heard('start');
  await driver.start();
  parent.say('started');
  await parent.heard('finish');
  parent.say('finished', process.memoryUsage.rss() / megabyte);
  await driver.close();
}
