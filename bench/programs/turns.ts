/**
 * Publishing and consuming at once in one process, whenever it is this one's turn: between its
 * turns it and its server are warm, and do nothing.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { openDriver } from '../drivers/open.ts';
import { createLoad, type Load } from '../load.ts';
import type { Answer } from '../scenario.ts';
import { checkDone, handlerOf, type FlowSpec } from './flow.ts';
import { measure } from './measure.ts';
import { createPeer } from './peer.ts';
import { onEngine } from './place.ts';
import { drained, publishAll } from './publishing.ts';

/** Until as much is under way as in one long stretch. */
const runUpMs = 300;

export async function turns({ settings, duration }: FlowSpec): Promise<Answer> {
  const umpire = createPeer(process);
  const load = createLoad({ producer: 0, keys: settings.keys, backlog: settings.backlog });
  return await onEngine(settings, async (place) => {
    const driver = await openDriver({ settings, place, handle: handlerOf(load, settings) });
    await driver.start();
    const publishing = publishAll(driver, load, settings.publishers);
    await sleep(duration.warmUpMs);
    await rest(load);
    umpire.say('ready');
    while (await umpire.heard('turn')) {
      load.resume();
      await sleep(runUpMs);
      const measured = measure(() => load.handled);
      await sleep(duration.measureMs);
      const metrics = measured();
      await rest(load);
      umpire.say('measured', metrics);
    }
    load.close();
    await publishing;
    await checkDone(driver, load, settings);
    await driver.close();
    return { metrics: {}, versions: driver.versions ?? {} };
  });
}

async function rest(load: Load): Promise<void> {
  load.pause();
  await drained(load);
}
