/**
 * G14: a fact and the message that waits for it, at every interleaving: one of the two is begun
 * when the other has gone on for so many awaits, or turns of the event loop, until it has ended.
 */

import assert from 'node:assert/strict';
import type { Delivery, FactId } from '../../transport/transport.ts';
import { settleTurns } from '../virtual-clock.ts';
import type { ConformanceCase } from './case.ts';
import { expectDone } from './flow.ts';
import type { Connection, Consumer, Harness } from './harness.ts';
import { ack, park } from './settlements.ts';

export const waitingTurns: readonly ConformanceCase[] = [
  {
    id: 'fact-race-every-turn',
    promise: 'G14',
    title: 'a fact that comes at any moment of a park or a publish releases who waits for it',
    needs: {},
    async run(harness) {
      for (const by of ['same', 'other'] as const) {
        const stage = await setUp(harness, by);
        for (const wait of ['park', 'publish'] as const) {
          for (const open of ['mark', 'ack'] as const) {
            for (const first of ['wait', 'open'] as const) {
              await raceAlong(stage, { wait, open, first });
            }
          }
        }
        await stage.waiters.nothing();
        await stage.openers.nothing();
        await stage.waiting.close();
        if (by === 'other') await stage.opening.close();
      }
    },
  },
];

/** Who waits, and who opens what is waited for; `openers` are deliveries whose ack opens it. */
interface Stage {
  readonly by: string;
  readonly waiting: Connection;
  readonly waiters: Consumer;
  readonly opening: Connection;
  readonly openers: Consumer;
}

interface Race {
  readonly wait: 'park' | 'publish';
  readonly open: 'mark' | 'ack';
  readonly first: 'wait' | 'open';
}

async function setUp(harness: Harness, by: 'same' | 'other'): Promise<Stage> {
  const [waitersName, openersName] = [`waiters-${by}`, `openers-${by}`];
  const waiting = await harness.open();
  const opening = by === 'same' ? waiting : await harness.open();
  await waiting.subscribe({ name: waitersName, topics: [waitersName] });
  await opening.subscribe({ name: openersName, topics: [openersName] });
  return {
    by,
    waiting,
    waiters: waiting.consume(waitersName),
    opening,
    openers: opening.consume(openersName),
  };
}

/** Begins the second step later and later, until the first one has long ended by then. */
async function raceAlong(stage: Stage, race: Race): Promise<void> {
  for (const pause of [awaits, settleTurns]) {
    let hadEnded = 0;
    for (let count = 0; count <= most && hadEnded <= past; count = next(count)) {
      const name = [stage.by, race.wait, race.open, race.first, pause.name, count].join('-');
      if (await raceOnce(stage, { ...race, name, pause: () => pause(count) })) hadEnded += 1;
    }
  }
}

/** What a step goes on to do by itself once it was answered is raced as well. */
const past = 3;
/** Where the answer comes over a network, no number of awaits brings it. */
const most = 40;

/** One by one at first; then in steps, for the long wait for an answer over a network. */
function next(count: number): number {
  return count < 12 ? count + 1 : Math.ceil(count * 1.5);
}

/** Answers whether the first step had ended when the second began. */
async function raceOnce(
  stage: Stage,
  race: Race & { readonly name: string; readonly pause: () => Promise<void> },
): Promise<boolean> {
  const { name, first, pause } = race;
  const { waiting, waiters } = stage;
  const fact = `fact:${name}`;
  const [wait, open] = [await waitStep(stage, race, fact), await openStep(stage, race, fact)];
  const [begin, follow] = first === 'wait' ? [wait, open] : [open, wait];
  let hasEnded = false;

  waiters.grant(1);
  const begun = begin().then(() => void (hasEnded = true));
  await pause();
  const hadEnded = hasEnded;
  await Promise.all([begun, follow()]);

  const [delivery] = await waiters.next(1);
  assert.deepEqual([delivery?.id, delivery?.waitTimedOut], [name, false]);
  await waiting.settled(ack(delivery as Delivery));
  await expectDone(waiting, name);
  return hadEnded;
}

type Step = () => Promise<unknown>;

async function waitStep(
  { waiting, waiters, by }: Stage,
  { wait, name }: Race & { readonly name: string },
  fact: FactId,
): Promise<Step> {
  const draft = { id: name, key: 'k', topic: `waiters-${by}` };
  if (wait === 'publish') return () => waiting.publish({ ...draft, facts: [fact] });
  await waiting.publish(draft);
  const delivery = await waiters.one();
  return () => waiting.settle(park(delivery, fact));
}

async function openStep(
  { opening, openers, by }: Stage,
  { open, name }: Race & { readonly name: string },
  fact: FactId,
): Promise<Step> {
  if (open === 'mark') return () => opening.fulfil(fact);
  await opening.publish({ id: `opens-${name}`, topic: `openers-${by}` });
  const delivery = await openers.one();
  return () => opening.settled(ack(delivery, { opens: [fact] }));
}

async function awaits(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await Promise.resolve();
}
