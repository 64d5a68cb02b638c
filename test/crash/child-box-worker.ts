/**
 * A worker of a box campaign: each message has one row of effect and, the first time, one message
 * more; handlers fail before, in and after their transaction.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { fixed, type HandlerContext } from 'malote';
import type { SqliteTransaction } from 'malote/sqlite';
import { seededRandom } from 'malote/testing';
import { type BoxSetup, boxBus, type Order, orderBooked, subscriptions } from './box-load.ts';
import { dieWithParent, setupOf, tellParent, untilFree } from './child.ts';

const setup = setupOf() as BoxSetup;
const random = seededRandom(setup.seed);
const bus = boxBus(setup, false);
const insert =
  'insert into effect (subscription, label, key, token, process) values (?, ?, ?, ?, ?)';

async function handle(
  subscription: string,
  { label, key }: Order,
  ctx: HandlerContext<SqliteTransaction>,
): Promise<void> {
  const failing = random();
  if (random() < 0.3) await pause(random() * 8);
  if (failing < 0.03) throw new Error('before');
  await ctx.transaction(({ tx, publish }) => {
    tx.prepare(insert).run(subscription, label, key, ctx.fence, setup.name);
    if (subscription === 'ledger') publish(orderBooked, { label, key });
    if (failing < 0.06) throw new Error('inside');
  });
  if (failing < 0.09) throw new Error('after');
}

for (const { name, type } of subscriptions) {
  const retry = { attempts: 1_000, backoff: fixed('5ms') };
  const options = { name, retry, concurrency: 16, timeout: '10s', inbox: true } as const;
  bus.consume(type, options, ({ data }, ctx) => handle(name, data, ctx));
}
dieWithParent();
await untilFree(
  () => bus.start(),
  () => {},
);
tellParent({ kind: 'up' });
