/** What is behind a message of its key that the inbox skips. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { createBus, message } from 'malote';
import { sqlite } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
const Paid = message<{ n: number }>('paid', { orderBy: () => 'k' });

/** Puts the message of an id back to where it has no ack, and knows no more of the first. */
async function publishAgain(path: string, data: { n: number }, id: string): Promise<void> {
  await using other = createBus({ engine: sqlite(path), ...quiet });
  const forgotten = new DatabaseSync(path);
  forgotten.exec('delete from ml_dedupe');
  forgotten.close();
  await other.publish(Paid, data, { id });
}

describe.each(['apart', 'together'] as const)('with an inbox, files %s', (shape) => {
  test('what is behind a skipped message of its key goes on, under the same lease', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    bus.consume(Paid, { name: 'ledger', inbox: true }, async ({ data: { n } }, ctx) => {
      await ctx.transaction(({ tx }) => {
        tx.prepare('insert into effect (what) values (?)').run(String(n));
      });
    });
    await bus.start();
    await bus.publish(Paid, { n: 1 }, { id: 'm1' });
    await told.count('acked', 1);
    await bus.subscriptions.pause('ledger');

    await publishAgain(place.engine, { n: 1 }, 'm1');
    for (const n of [2, 3]) await bus.publish(Paid, { n });
    await bus.subscriptions.resume('ledger');
    const kinds = (): string[] => told.all.map(({ kind }) => kind);
    const acked = (): number => kinds().filter((kind) => kind === 'acked').length;
    await told.until(() => acked() === 3 || kinds().includes('lease-lost'));

    assert.deepEqual([acked(), kinds().includes('skipped')], [3, true]);
    assert.deepEqual(place.effects(), ['1', '2', '3']);
  });
});
