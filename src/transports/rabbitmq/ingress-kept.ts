/**
 * What programs without malote publish for nobody stands in a queue without a reader, and a few of
 * it in another one, which is read and told of: each message reaches one process. Whoever is told
 * sees that the first one is there: nobody else would find that it was deleted.
 */

import { whenClosed } from './driver.ts';
import { foreignOf } from './foreign.ts';
import type { Context } from './hold.ts';
import { declareNamespace, lengthOf } from './topology.ts';

export type Listening = Pick<Context, 'wire' | 'names' | 'settings' | 'host' | 'broken'>;

export async function hearKept(listening: Listening): Promise<void> {
  const { wire, names, host, broken } = listening;
  const channel = await wire.model.createChannel();
  whenClosed(channel, (because) => broken(`the channel of the ingress was closed${because}`));
  let looking = Promise.resolve();
  await channel.consume(
    names.ingressTold,
    (message) => {
      if (message === null) {
        broken(`"${names.ingressTold}" was deleted`);
        return;
      }
      const { id, topic: type } = foreignOf(message, host.clock.now());
      host.notify({ kind: 'kept', id: id ?? '', type });
      looking = looking
        .then(() => keep(listening))
        .catch((error: unknown) => broken(String(error)));
    },
    { noAck: true },
  );
}

async function keep({ wire, names, settings }: Listening): Promise<void> {
  const { model } = wire;
  if (!wire.isOpen || (await lengthOf(model, names.ingressKept)) !== null) return;
  await declareNamespace(model, settings, names);
}
