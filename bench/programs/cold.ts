/**
 * Processes that all ask for a key that nobody has, at one common instant: how long each of their
 * callers waits for the value, and how often it is loaded.
 */

import assert from 'node:assert/strict';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCache, rateOf } from '../drivers/cache.ts';
import type { Answer, CacheSettings, Spec } from '../scenario.ts';
import { instant, latencies } from './measure.ts';
import { createPeer, forkPeer, type Peer } from './peer.ts';
import { inPlace } from './place.ts';

type ColdSpec = Extract<Spec, { readonly program: 'cold' }>;

interface Asked {
  readonly key: string;
  /** When all begin, in nanoseconds. */
  readonly at: number;
}

interface Answered {
  readonly tookNs: readonly number[];
  readonly loads: number;
}

const callers = 50;
const loadMs = 300;
/** Until the last process has heard of the common start. */
const headStartNs = 100e6;
/** The first key warms up. */
const warmUp = 1;

export async function cold({ settings, keys, processes }: ColdSpec): Promise<Answer> {
  return await inPlace(async (file) => {
    const peers = Array.from({ length: processes }, () =>
      forkPeer({ program: 'cold', settings, place: file }),
    );
    for (const peer of peers) await peer.heard('ready');
    const histogram = createHistogram();
    let loads = 0;
    for (let index = 0; index < warmUp + keys; index++) {
      const answers = await askAll(peers, `rate-${index}`);
      const loaded = answers.reduce((sum, answer) => sum + answer.loads, 0);
      if (settings.driver === 'malote') assert.equal(loaded, 1, 'a key was loaded twice');
      if (index < warmUp) continue;
      loads += loaded;
      for (const tookNs of answers.flatMap((answer) => answer.tookNs)) histogram.record(tookNs);
    }
    for (const peer of peers) peer.say('finish');
    await Promise.all(peers.map((peer) => peer.heard('finished')));
    for (const peer of peers) peer.end();
    return { metrics: { ...latencies(histogram), loadsPerKey: loads / keys } };
  });
}

async function askAll(peers: readonly Peer[], key: string): Promise<readonly Answered[]> {
  const asked: Asked = { key, at: instant() + headStartNs };
  for (const peer of peers) peer.say('ask', asked);
  const answers = await Promise.all(peers.map((peer) => peer.heard('answered')));
  return answers as readonly Answered[];
}

export async function coldPeer(settings: CacheSettings, file: string): Promise<void> {
  const parent = createPeer(process);
  let loads = 0;
  const load = async (key: string): Promise<ReturnType<typeof rateOf>> => {
    loads += 1;
    await sleep(loadMs);
    return rateOf(key);
  };
  const cache = await openCache({ settings, file, load });

  async function ask({ key, at }: Asked): Promise<void> {
    loads = 0;
    await sleep((at - instant()) / 1e6);
    const call = async (): Promise<number> => {
      assert.equal((await cache.get(key)).key, key);
      return instant() - at;
    };
    const tookNs = await Promise.all(Array.from({ length: callers }, call));
    parent.say('answered', { tookNs, loads } satisfies Answered);
  }

  parent.on('ask', (value) => void ask(value as Asked));
  parent.say('ready');
  await parent.heard('finish');
  await cache.close();
  parent.say('finished');
}
