/** malote as an application uses it, by its public entries alone. */

import { subscribe } from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createBus, dependency, exponential, message, transitionChannel } from 'malote';
import type { Bus, BusOptions, MessageType } from 'malote';
import { z } from 'zod';
import type { Order } from '../load.ts';
import type { FlowSettings } from '../scenario.ts';
import type { DriverOptions, WaitingDriver } from './driver.ts';

const opened = dependency('opened');
const name = 'bench';

const orderSchema = z.object({
  n: z.int(),
  key: z.string(),
  at: z.number(),
  order: z.object({ total: z.number(), currency: z.string().length(3), note: z.string() }),
});

export async function openMalote({
  settings,
  place,
  handle,
}: DriverOptions): Promise<WaitingDriver> {
  const { concurrency, capacity, failEvery } = settings;
  const Placed = messageType(settings);
  const bus: Bus = createBus({
    engine: await engineOf(settings, place),
    journal: settings.journal,
    handleSignals: false,
    ...(failEvery === 0 ? {} : { logger: false }),
  });
  if (settings.listener) subscribe(transitionChannel, listen);
  const options = { maxDepth: capacity === 0 ? 100_000_000 : capacity };
  await bus.subscribe(name, Placed, options);
  const publishOptions = capacity === 0 ? undefined : ({ wait: '60s' } as const);

  return {
    publish: (order) => bus.publish(Placed, order, publishOptions),
    async start() {
      const retry = { attempts: 3, backoff: exponential('50ms', { max: '1s' }) };
      bus.consume(Placed, { name, concurrency, retry, ...options }, (received, { attempt }) =>
        handle(received.data, attempt),
      );
      await bus.start();
    },
    async held() {
      return (await bus.subscriptions.stats(name)).depth;
    },
    close: () => bus.stop(),
    fulfil: (...keys) => bus.fulfil(...keys.map((key) => opened(key))),
    async waiting() {
      return (await bus.subscriptions.stats(name)).waiting;
    },
    async park(order) {
      await bus.publish(Placed, order);
      const meant = { for: opened(order.key), limit: 1 };
      while ((await bus.waiting.list(meant)).items.length === 0) await nextTurn();
    },
    versions: { malote: version() },
  };
}

/** Messages whose key begins with "b" wait for a fact; the others are the load. */
function messageType({ schema, keys, blocked }: FlowSettings): MessageType<string, Order, Order> {
  const options = {
    ...(keys > 0 ? { orderBy: ({ key }: Order) => key } : {}),
    ...(blocked > 0
      ? { waitFor: ({ key }: Order) => (key.startsWith('b') ? opened(key) : []) }
      : {}),
  };
  if (schema) return message('order.placed', { schema: orderSchema, ...options });
  return message<Order>('order.placed', options);
}

async function engineOf(
  { engine }: FlowSettings,
  place: string,
): Promise<BusOptions<never>['engine']> {
  if (engine === 'memory') return (await import('malote/memory')).memory();
  if (engine === 'rabbitmq') return (await import('malote/rabbitmq')).rabbitmq(place);
  return (await import('malote/sqlite')).sqlite(place);
}

let heard = 0;

function listen(event: unknown): void {
  if ((event as { kind?: unknown }).kind === 'acked') heard += 1;
}

/** How many acks the listener heard of. */
export function heardAcks(): number {
  return heard;
}

function version(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}
