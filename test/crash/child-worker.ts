/**
 * A worker of a campaign: four subscriptions whose handlers write down what they do, fail now and
 * then, ask for facts and publish in the name of their message.
 */
import { subscribe } from 'node:diagnostics_channel';
import { setTimeout as pause } from 'node:timers/promises';
import { fixed, type HandlerContext, type TransitionEvent, transitionChannel } from 'malote';
import { seededRandom } from 'malote/testing';
import { busAt, engineAt } from './arena.ts';
import { followUpOf } from './campaign-record.ts';
import { type CampaignSetup, dieWithParent, setupOf, tellParent, untilFree } from './child.ts';
import { now, openHistory } from './history.ts';
import { tellingInHand } from './in-hand.ts';
import { fact, handling, type Note, orderFollowed, staging, subscriptions, types } from './load.ts';

const { engine, name, histories, seed, leaseMs } = setupOf() as CampaignSetup;
const write = openHistory(histories, name);
const random = seededRandom(seed + name.length);
/** Deliveries whose handler, in this process, has asked for its fact. */
const asked = new Set<string>();

async function handle(
  subscription: string,
  { label, asks, followed, key, stagedBy }: Note,
  context: HandlerContext,
): Promise<void> {
  const { id, attempt } = context;
  const about = { subscription, label, id, attempt };
  write({ f: 'start', at: now(), ...about, stagedBy });
  if (asks !== null && !asked.has(`${subscription} ${id}`)) {
    asked.add(`${subscription} ${id}`);
    write({ f: 'wait', at: now(), ...about });
    context.waitFor(fact(asks));
  }
  if (followed && subscription === staging.by) {
    const follower = { label: followUpOf(label), key, stagedBy: attempt };
    await context.publish(orderFollowed, { ...follower, waits: [], asks: null, followed: false });
  }
  if (random() < 0.3) await pause(random() * 3);
  if (random() < handling.failing) {
    write({ f: 'fail', at: now(), ...about });
    throw new Error('a handler that fails now and then');
  }
  write({ f: 'end', at: now(), ...about });
}

function hear(event: TransitionEvent): void {
  if (event.kind === 'lease-lost') {
    // Its park came too late.
    asked.delete(`${event.subscription} ${event.id}`);
    write({ f: 'lease-lost', at: now(), subscription: event.subscription, id: event.id });
  } else if (event.kind === 'engine-trouble') {
    write({ f: 'trouble', at: now(), code: event.code, message: event.message });
  }
}

async function start(): Promise<void> {
  const telling = tellingInHand(engineAt(engine), (messages) =>
    write({ f: 'in-hand', at: now(), messages }),
  );
  const bus = busAt(engine, { engine: telling, lease: leaseMs, logger: false });
  for (const { name: subscription, topic, isOrdered, waits } of subscriptions) {
    const options = {
      name: subscription,
      order: isOrdered ? 'key' : 'none',
      waitFor: waits,
      concurrency: handling.slots[subscription]!,
      retry: { attempts: 1_000, backoff: fixed(handling.backoffMs) },
    } as const;
    bus.consume(types.get(topic)!, options, ({ data }, context) =>
      handle(subscription, data, context),
    );
  }
  await bus.start();
}

dieWithParent();
subscribe(transitionChannel, (event) => hear(event as TransitionEvent));
await untilFree(start, ({ code, message }) => write({ f: 'trouble', at: now(), code, message }));
tellParent({ kind: 'up' });
