/** How long `npm start` takes, from the command to a service that says it is ready. */

import { createHistogram } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Spec } from '../scenario.ts';
import { instant, latencies } from './measure.ts';
import { inPlace } from './place.ts';
import { startByNpm } from './service.ts';

const pollMs = 5;

export async function start({ starts }: Extract<Spec, { program: 'start' }>): Promise<Answer> {
  const histogram = createHistogram();
  for (let count = 0; count < starts; count++) {
    await inPlace(async (file) => {
      const startedAt = instant();
      const service = await startByNpm(file, () => {});
      while ((await service.readiness()) !== 200) await sleep(pollMs);
      histogram.record(instant() - startedAt);
      await service.stop();
    });
  }
  return { metrics: latencies(histogram) };
}
