/** One box campaign, told of while it runs; and what of its end is not as it should be. */
import assert from 'node:assert/strict';
import { examineBoxes } from './box-checkers.ts';
import { subscriptions } from './box-load.ts';
import { type BoxCampaign, runBoxCampaign } from './boxes.ts';
import { printSchedule } from './nemesis.ts';

export interface Survival {
  readonly unlike: object;
  readonly kills: number;
  readonly seconds: number;
}

/** What {@link Survival.unlike} is where all is well. */
export const unharmed: object = { findings: {}, left: 0, dead: 0, complaints: [] };

export async function surviveBoxes(campaign: BoxCampaign): Promise<Survival> {
  const { seed, schedule } = campaign;
  console.log(`seed ${seed}: ${printSchedule(schedule)}`);
  const begun = performance.now();
  const result = await runBoxCampaign(campaign);
  const seconds = (performance.now() - begun) / 1_000;
  const { business, effects, left, dead, complaints } = result;
  const kills = schedule.filter(({ kind }) => kind === 'kill').length;
  const counts = `${kills} kills, ${business.length} rows, ${effects.length} effects`;
  console.log(`seed ${seed}: ${counts}, ${seconds.toFixed(1)} s`);
  assert.ok(business.length > 100, 'too little was written to mean anything');
  const names = subscriptions.map(({ name }) => name);
  return {
    unlike: { findings: examineBoxes(result, names), left, dead, complaints },
    kills,
    seconds,
  };
}
