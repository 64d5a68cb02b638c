/**
 * The seeded campaign: real processes, real kills, and what their histories say afterwards.
 *
 * A seed repeats the schedule of the kills and what is published; the scheduler of the machine
 * remains free. `MALOTE_SEEDS=all` runs every seed.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { seeds } from '../support/environment.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { runCampaign } from './campaign.ts';
import { handling, staging } from './load.ts';
import { printSchedule, scheduleOf } from './nemesis.ts';
import { examine, summary } from './verdict.ts';

const slots = ['publisher-1', 'publisher-2', 'worker-1', 'worker-2'];
const kills = 20;
const folder = temporaryFolder();

describe('killing publishers and workers at random', () => {
  test.each(seeds(2, 10))(
    'loses, reorders and forgets nothing: seed %i',
    { timeout: 120_000 },
    async (seed) => {
      const schedule = scheduleOf(seed, slots, kills);
      console.log(`seed ${seed}: ${printSchedule(schedule)}`);
      const own = join(folder, String(seed));
      mkdirSync(own);

      const { record, left, dead, complaints, drainedMs } = await runCampaign({
        seed,
        folder: own,
        slots,
        schedule,
      });

      const verdict = examine(record, { ...handling, staging });
      console.log(`seed ${seed}: ${summary(record, verdict)}, drained in ${drainedMs} ms`);
      assert.deepEqual(verdict.findings, {});
      assert.deepEqual({ left, dead, complaints }, { left: 0, dead: 0, complaints: [] });
      assert.ok(verdict.accepted > 1_000, 'too little was published to mean anything');
    },
  );
});
