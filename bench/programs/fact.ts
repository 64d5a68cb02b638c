/** From the call that opens a fact to the handler of the message that waited for it. */

import { createHistogram } from 'node:perf_hooks';
import { openMalote } from '../drivers/malote.ts';
import { beside, keyName, makeOrder } from '../load.ts';
import type { Answer, Spec } from '../scenario.ts';
import { instant, latencies } from './measure.ts';
import { onEngine } from './place.ts';

const warmUp = 50;

export async function fact(spec: Extract<Spec, { readonly program: 'fact' }>): Promise<Answer> {
  const { settings, messages } = spec;
  const histogram = createHistogram();
  let handled: () => void = () => {};
  return await onEngine(settings, async (place) => {
    const driver = await openMalote({ settings, place, handle: async () => handled() });
    await driver.start();
    for (let index = 0; index < warmUp + messages; index++) {
      const key = keyName('b', index);
      await driver.park(makeOrder(beside, key));
      const handling = new Promise<number>((resolve) => {
        handled = () => resolve(instant());
      });
      const openedAt = instant();
      await driver.fulfil(key);
      const handledAt = await handling;
      if (index >= warmUp) histogram.record(Math.max(1, handledAt - openedAt));
    }
    await driver.close();
    return { metrics: latencies(histogram), versions: driver.versions ?? {} };
  });
}
