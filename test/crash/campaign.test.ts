/**
 * The seeded campaign: real processes, real kills, and what their histories say afterwards.
 *
 * A seed repeats the schedule of the faults and what is published; the scheduler of the machine
 * remains free. `MALOTE_SEEDS=all` runs every seed.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { seeds } from '../support/environment.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type CampaignResult, runCampaign } from './campaign.ts';
import { sqliteIn } from './arena.ts';
import type { CampaignRecord } from './campaign-record.ts';
import { handling, staging } from './load.ts';
import { type Fault, type Nemesis, printSchedule, scheduleOf } from './nemesis.ts';
import { examine, summary, type Verdict } from './verdict.ts';

const slots = ['publisher-1', 'publisher-2', 'worker-1', 'worker-2'];
const folder = temporaryFolder();
const timeout = 120_000;
const unharmed: Pick<Verdict, 'findings'> & Pick<CampaignResult, 'left' | 'dead' | 'complaints'> = {
  findings: {},
  left: 0,
  dead: 0,
  complaints: [],
};

/** What the campaigns came past, all together. */
const met = { repeated: 0, waited: 0, parked: 0, failed: 0 };

describe('a campaign loses, reorders and forgets nothing', () => {
  test.each(seeds(2, 10))('killing at random: seed %i', { timeout }, async (seed) => {
    const outcome = await survive(seed, { slots, faults: 20, pauses: 0 });
    assert.deepEqual(outcome, unharmed);
  });

  test.each(seeds(1, 3))('killing and pausing at random: seed %i', { timeout }, async (seed) => {
    const outcome = await survive(100 + seed, { slots, faults: 12, pauses: 0.5 });
    assert.deepEqual(outcome, unharmed);
  });

  test('together they came past repetitions, waits, parks and failures', () => {
    for (const [what, count] of Object.entries(met)) assert.ok(count > 0, `none of: ${what}`);
  });
});

/** Runs one campaign and prints its figures; answers everything that should not be. */
async function survive(seed: number, nemesis: Nemesis): Promise<typeof unharmed> {
  const schedule = scheduleOf(seed, nemesis);
  console.log(`seed ${seed}: ${printSchedule(schedule)}`);
  const own = join(folder, String(seed));
  mkdirSync(own);
  const arena = sqliteIn(own);

  const campaign = await runCampaign({ seed, folder: own, arena, slots, schedule });

  const { record, left, dead, complaints, drainedMs } = campaign;
  const verdict = examine(record, { ...handling, ...arena, staging });
  console.log(`seed ${seed}: ${summary(record, verdict)}, drained in ${drainedMs} ms`);
  assert.ok(verdict.accepted > 300, 'too little was published to mean anything');
  const carriedOut = { kill: record.kills.size, pause: [...record.pauses.values()].flat().length };
  assert.deepEqual(carriedOut, countsOf(schedule), 'every fault of the schedule came to pass');
  meet(record, verdict);
  return { findings: verdict.findings, left, dead, complaints };
}

function countsOf(schedule: readonly Fault[]): { readonly kill: number; readonly pause: number } {
  const count = (wanted: Fault['kind']): number =>
    schedule.filter(({ kind }) => kind === wanted).length;
  return { kill: count('kill'), pause: count('pause') };
}

function meet({ sent, runs }: CampaignRecord, { repeated }: Verdict): void {
  const all = [...runs.values()].flat();
  met.repeated += repeated;
  met.waited += [...sent.values()].filter(({ waits }) => waits.length > 0).length;
  met.parked += all.filter(({ outcome }) => outcome === 'wait').length;
  met.failed += all.filter(({ outcome }) => outcome === 'fail').length;
}
