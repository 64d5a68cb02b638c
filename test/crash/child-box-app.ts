/**
 * An application of a box campaign: writes a row and a message about it in one transaction, its own
 * or one of the bus, and now and then takes both back.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { MaloteError } from 'malote';
import { seededRandom } from 'malote/testing';
import { type BoxSetup, boxBus, connect, keys, type Order, orderPlaced } from './box-load.ts';
import { dieWithParent, setupOf, tellParent, untilFree } from './child.ts';

const setup = setupOf() as BoxSetup;
const random = seededRandom(setup.seed);
const bus = boxBus(setup, false);
const insert = 'insert into business (label, key) values (?, ?)';
let stopping = false;

class Undone extends Error {}

async function inOwn({ label, key }: Order, isUndone: boolean): Promise<void> {
  db.exec('begin immediate');
  try {
    db.prepare(insert).run(label, key);
    await bus.publish(orderPlaced, { label, key }, { tx: db });
    db.exec(isUndone ? 'rollback' : 'commit');
  } finally {
    if (db.isTransaction) db.exec('rollback');
  }
}

async function inShared({ label, key }: Order, isUndone: boolean): Promise<void> {
  try {
    await bus.transaction(({ tx, publish }) => {
      tx.prepare(insert).run(label, key);
      publish(orderPlaced, { label, key });
      if (isUndone) throw new Undone();
    });
  } catch (error) {
    const isBusy = error instanceof MaloteError && error.code === 'ENGINE_BUSY';
    if (!isBusy && !(error instanceof Undone)) throw error;
  }
}

dieWithParent();
process.on('SIGTERM', () => {
  stopping = true;
});
await untilFree(
  () => bus.subscriptions.list(),
  () => {},
);
await untilFree(
  () => bus.transaction(() => 0),
  () => {},
);
const db = connect(setup.store);
tellParent({ kind: 'up' });
for (let n = 1; !stopping; n++) {
  const isUndone = random() < 0.1;
  const label = `${isUndone ? 'undone' : 'order'} ${setup.name} ${n}`;
  const key = random() < 0.2 ? null : keys[Math.floor(random() * keys.length)]!;
  if (random() < 0.5) await inOwn({ label, key }, isUndone);
  else await inShared({ label, key }, isUndone);
  await pause(random() * 6);
}
await bus.stop();
process.exit(0);
