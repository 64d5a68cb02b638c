/**
 * A worker that falls asleep in its handler, for longer than its lease, before it stores its
 * effect; any of another name fails. Tells what the transaction said.
 */
import { fixed } from 'malote';
import { type BoxSetup, boxBus, orderPlaced } from './box-load.ts';
import { dieWithParent, setupOf, tellParent } from './child.ts';
import { now } from './history.ts';

const setup = setupOf() as BoxSetup;
const bus = boxBus(setup, false);
const insert = 'insert into effect (subscription, label) values (?, ?)';

/** Goes on in the same turn of the event loop once somebody continues it. */
function sleep(): void {
  let last = now();
  process.kill(process.pid, 'SIGSTOP');
  for (;;) {
    const next = now();
    if (next - last > setup.leaseMs * 500) return;
    last = next;
  }
}

dieWithParent();
bus.consume(
  orderPlaced,
  { name: 'ledger', inbox: true, retry: { attempts: 2, backoff: fixed('1ms') } },
  async ({ data }, ctx) => {
    tellParent({ kind: 'start' });
    if (setup.name !== 'sleeper') throw new Error('it dies here');
    sleep();
    try {
      await ctx.transaction(({ tx }) => void tx.prepare(insert).run('ledger', data.label));
      tellParent({ kind: 'stored' });
    } catch (error) {
      tellParent({ kind: 'refused', label: (error as { code: string }).code });
      throw error;
    }
  },
);
await bus.start();
tellParent({ kind: 'up' });
