/** How fast a standing outbox is relayed, or the effects of a standing subscription are stored. */

import { openOutbox } from '../drivers/outbox.ts';
import type { Answer, Spec } from '../scenario.ts';
import { measure } from './measure.ts';
import { inPlace } from './place.ts';

export async function outbox(spec: Extract<Spec, { program: 'outbox' }>): Promise<Answer> {
  const { settings, messages } = spec;
  return await inPlace(async (file) => {
    const driver = await openOutbox({ settings, messages, engine: file, store: `${file}.store` });
    const measured = measure(() => driver.done());
    await driver.work();
    const metrics = measured();
    await driver.close();
    return { metrics };
  });
}
