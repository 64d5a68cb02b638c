/**
 * The campaign of `test/crash` over a RabbitMQ server of its own: publishers and workers are
 * killed, frozen and cut off from the server, and the server itself is killed under load.
 */
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { serverSlot } from '../crash/campaign.ts';
import { type Fault, type Nemesis, scheduleOf } from '../crash/nemesis.ts';
import { overRabbitmq } from './over-rabbitmq.ts';
import { slots, survive } from './survive.ts';

const timeout = 180_000;
const unharmed = { findings: {}, left: 0, dead: 0, complaints: [] };
const calm: Nemesis = { slots, faults: 0, pauses: 0 };

/** What campaigns leave behind fills the memory of a server: each has one of its own. */
const settings = ['vm_memory_high_watermark.absolute = 2GB'];

/** One of them, or all with MALOTE_SEEDS=all. */
function seedsFrom(first: number, count: number): number[] {
  const length = process.env['MALOTE_SEEDS'] === 'all' ? count : 1;
  return Array.from({ length }, (_, index) => first + index);
}

function campaign(name: string, scheduled: () => readonly Fault[]): void {
  overRabbitmq(
    (server) => {
      test(`${name}: nothing is lost, out of order or stuck`, { timeout }, async () => {
        assert.deepEqual(await survive(server(), name, scheduled()), unharmed);
      });
    },
    { settings },
  );
}

for (const seed of seedsFrom(1, 2)) {
  campaign(`kills-${seed}`, () => scheduleOf(seed, { ...calm, faults: 20 }));
}

const cutSeeds = [201, 202, 203, 204, 205];
const cutsOf = (seed: number): Fault[] => scheduleOf(seed, { ...calm, faults: 40, cuts: 1 });

test('the campaigns of cuts make two hundred together, half of them of replies alone', () => {
  const kinds = cutSeeds.flatMap(cutsOf).map(({ kind }) => kind);
  const mute = kinds.filter((kind) => kind === 'mute').length;
  assert.deepEqual([kinds.length, new Set(kinds)], [200, new Set(['cut', 'mute'])]);
  assert.ok(mute >= 80 && mute <= 120, `${mute} of replies alone`);
});

for (const seed of seedsFrom(cutSeeds[0]!, cutSeeds.length)) {
  campaign(`cuts-${seed}`, () => cutsOf(seed));
}

campaign('freezes', () => {
  const frozen = { ...calm, slots: slots.slice(2), faults: 3, pauses: 1 };
  return scheduleOf(301, { ...frozen, pauseMs: [3_500, 5_000] });
});

campaign('server-kills', () => {
  const kills = scheduleOf(401, { ...calm, faults: 6 });
  const strike: Fault = { ...kills[0]!, slot: serverSlot, isEarly: false, kind: 'kill' };
  return kills.flatMap((fault, index) => (index % 3 === 2 ? [fault, strike] : [fault]));
});
