/** One message at a time through an idle system: from the call of publish to the handler. */

import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDriver } from '../drivers/open.ts';
import { makeOrder, keyName, type Order } from '../load.ts';
import type { Answer, Spec } from '../scenario.ts';
import { instant, latencies } from './measure.ts';
import { createPeer, forkPeer } from './peer.ts';
import { onEngine } from './place.ts';
import { startProfile, stopProfile } from './profiler.ts';

type IdleSpec = Extract<Spec, { readonly program: 'idle' }>;
type TurnsSpec = Extract<Spec, { readonly program: 'idle-turns' }>;

const warmUp = 100;
/** Before a turn of a process that stays. */
const afterRest = 20;
/** Lets the ack end before the next message comes. */
const gapMs = 1;

export async function idle(spec: IdleSpec): Promise<Answer> {
  return await onEngine(spec.settings, (place) =>
    spec.processes === 1 ? inOne(spec, place) : acrossTwo(spec, place),
  );
}

async function inOne({ settings, messages }: IdleSpec, place: string): Promise<Answer> {
  const line = await openLine(settings, place);
  await line.pass(warmUp);
  startProfile();
  const metrics = await line.pass(messages);
  stopProfile();
  return { metrics, versions: await line.close() };
}

/** The same whenever it is this one's turn. */
export async function idleTurns({ settings, messages }: TurnsSpec): Promise<Answer> {
  const umpire = createPeer(process);
  return await onEngine(settings, async (place) => {
    const line = await openLine(settings, place);
    await line.pass(messages);
    umpire.say('ready');
    startProfile();
    while (await umpire.heard('turn')) {
      await line.pass(afterRest);
      umpire.say('measured', await line.pass(messages));
    }
    stopProfile();
    return { metrics: {}, versions: await line.close() };
  });
}

interface Line {
  /** Passes so many, each when the one before is handled. */
  pass(messages: number): Promise<Answer['metrics']>;
  close(): Promise<Readonly<Record<string, string>>>;
}

async function openLine(settings: IdleSpec['settings'], place: string): Promise<Line> {
  let histogram = createHistogram();
  let handled: () => void = () => {};
  let publishedAt = 0;
  let n = 0;
  const handle = async (): Promise<void> => {
    recordSince(histogram, publishedAt);
    handled();
  };
  const driver = await openDriver({ settings, place, handle });
  await driver.start();
  return {
    async pass(messages) {
      histogram = createHistogram();
      for (const last = n + messages; n < last; ) {
        n += 1;
        const handling = new Promise<void>((resolve) => {
          handled = resolve;
        });
        publishedAt = instant();
        await driver.publish(makeOrder(n, keyName('k', n)));
        await handling;
        await sleep(gapMs);
      }
      return latencies(histogram);
    },
    async close() {
      await driver.close();
      return driver.versions ?? {};
    },
  };
}

/** This process publishes, the other one handles and tells what it measured. */
async function acrossTwo({ settings, messages }: IdleSpec, place: string): Promise<Answer> {
  const driver = await openDriver({ settings, place, handle: async () => {} });
  const peer = forkPeer({ program: 'idle', settings, place });
  await peer.heard('ready');
  for (let n = 1; n <= warmUp + messages; n++) {
    const order = makeOrder(n, keyName('k', n));
    await driver.publish({ ...order, order: { ...order.order, note: String(instant()) } });
    await peer.heard('handled');
    await sleep(gapMs);
  }
  peer.say('finish');
  const metrics = await peer.heard('metrics');
  await driver.close();
  peer.end();
  return { metrics: metrics as Answer['metrics'], versions: driver.versions ?? {} };
}

export async function idlePeer(settings: IdleSpec['settings'], place: string): Promise<void> {
  const parent = createPeer(process);
  const histogram = createHistogram();
  const handle = async ({ n, order }: Order): Promise<void> => {
    if (n > warmUp) recordSince(histogram, Number(order.note));
    parent.say('handled');
  };
  const driver = await openDriver({ settings, place, handle });
  await driver.start();
  parent.say('ready');
  await parent.heard('finish');
  await driver.close();
  parent.say('metrics', latencies(histogram));
}

function recordSince(histogram: RecordableHistogram, since: number): void {
  histogram.record(Math.max(1, instant() - since));
}
