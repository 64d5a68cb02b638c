/**
 * Two processes on one file: both publish and consume, or one does each. They tell each other how
 * much they published and handled, so that neither runs away from the other.
 */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Driver } from '../drivers/driver.ts';
import { openDriver } from '../drivers/open.ts';
import { assertSeenOnce, createLoad, type Load, type Marks } from '../load.ts';
import type { Answer, FlowSettings, Metrics, Spec } from '../scenario.ts';
import { handlerOf } from './flow.ts';
import { fileMb, measure } from './measure.ts';
import { createPeer, forkPeer, type Peer } from './peer.ts';
import { onEngine } from './place.ts';
import { drained, emptied, publishAll } from './publishing.ts';

type PairSpec = Extract<Spec, { readonly program: 'pair' }>;

interface Counts {
  readonly issued: number;
  readonly handled: number;
}

interface Part {
  readonly publishes: boolean;
  readonly consumes: boolean;
}

interface Side {
  readonly driver: Driver;
  readonly load: Load;
  readonly other: Peer;
  readonly publishers: number;
}

const tellMs = 5;

export async function pair(spec: PairSpec): Promise<Answer> {
  const { settings, duration, work } = spec;
  return await onEngine(settings, async (place) => {
    const load = createLoad({ producer: 0, keys: settings.keys, backlog: settings.backlog });
    const driver = await openDriver({ settings, place, handle: handlerOf(load, settings) });
    const other = forkPeer({ program: 'pair', settings, place });
    const here: Part = { publishes: true, consumes: work === 'both' };
    const there: Part = { publishes: work === 'both', consumes: true };
    other.say('part', { part: there, duration });
    const side = { driver, load, other, publishers: settings.publishers };
    const own = await workAlong(side, here, duration);
    const metrics = (await other.heard('metrics')) as Metrics;
    const theirs = (await other.heard('marks')) as readonly Marks[];
    const walMb = fileMb(`${place}-wal`);
    check(load, theirs, (await other.heard('issued')) as number);
    await emptied(driver, 0);
    other.say('finish');
    await other.heard('finished');
    await driver.close();
    other.end();
    return { metrics: { ...sumOf(own, metrics), walMb }, versions: driver.versions ?? {} };
  });
}

export async function pairPeer(settings: FlowSettings, place: string): Promise<void> {
  const other = createPeer(process);
  const { part, duration } = (await other.heard('part')) as {
    readonly part: Part;
    readonly duration: PairSpec['duration'];
  };
  const load = createLoad({ producer: 1, keys: settings.keys, backlog: settings.backlog });
  const driver = await openDriver({ settings, place, handle: handlerOf(load, settings) });
  const side = { driver, load, other, publishers: settings.publishers };
  other.say('metrics', await workAlong(side, part, duration));
  other.say('marks', load.marks);
  other.say('issued', load.issued);
  await other.heard('finish');
  await driver.close();
  other.say('finished');
}

/** Works in step with the other process; answers what was measured in this one. */
async function workAlong(side: Side, part: Part, duration: PairSpec['duration']): Promise<Metrics> {
  const { driver, load, other, publishers } = side;
  other.on('counts', (value) => {
    const { issued, handled } = value as Counts;
    load.elsewhere(issued, handled);
  });
  const tell = (): void => {
    other.say('counts', { issued: load.issued, handled: load.handled } satisfies Counts);
  };
  const telling = setInterval(tell, tellMs);
  if (part.consumes) await driver.start();
  await meet(other, 'started');
  const publishing = part.publishes ? publishAll(driver, load, publishers) : Promise.resolve();
  await sleep(duration.warmUpMs);
  const measured = measure(() => load.handled);
  await sleep(duration.measureMs);
  const metrics = measured();
  load.close();
  await publishing;
  tell();
  await meet(other, 'published');
  await drained(load);
  tell();
  await meet(other, 'drained');
  clearInterval(telling);
  return metrics;
}

async function meet(other: Peer, word: string): Promise<void> {
  other.say(word);
  await other.heard(word);
}

/** Every message of either process was handled once, in whichever. */
function check(load: Load, theirs: readonly Marks[], issuedThere: number): void {
  assertSeenOnce(load.issued, [load.marks[0]!, theirs[0]!]);
  if (issuedThere > 0) assertSeenOnce(issuedThere, [load.marks[1]!, theirs[1]!]);
  assert.ok(load.issued > 0);
}

function sumOf(own: Metrics, theirs: Metrics): Metrics {
  const sum = (metric: string): number => (own[metric] ?? 0) + (theirs[metric] ?? 0);
  const larger = (metric: string): number => Math.max(own[metric] ?? 0, theirs[metric] ?? 0);
  return {
    perSecond: sum('perSecond'),
    perCpuSecond: sum('perSecond') / sum('cpu'),
    cpu: sum('cpu'),
    rssMb: sum('rssMb'),
    loopP99Ms: larger('loopP99Ms'),
    loopMaxMs: larger('loopMaxMs'),
    loopOwnMaxMs: larger('loopOwnMaxMs'),
    // Each sees the other as a stranger.
    otherCpu: Math.max(0, (own['otherCpu'] ?? 0) - (theirs['cpu'] ?? 0)),
  };
}
