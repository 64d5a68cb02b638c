/** Transactions of handlers that share a commit with one that fails late, or that nobody awaits. */
import assert from 'node:assert/strict';
import { fixed, message } from 'malote';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { placeIn } from './places.ts';

const folder = temporaryFolder();
const Paid = message<{ n: number }>('paid', { orderBy: () => 'k' });
const Booked = message<{ n: number }>('booked', { orderBy: () => 'k' });
const Loose = message<{ n: number }>('loose');
const retry = { attempts: 3, backoff: fixed('1ms') };

describe.each(['apart', 'together'] as const)('with an inbox, files %s', (shape) => {
  test('a commit that one effect spoils costs the others no attempt', async () => {
    const place = placeIn(folder, shape);
    place.db.exec('insert into orders values (1)');
    const told = listenTo(place.name);
    await using bus = place.make();
    const booked: number[] = [];
    const options = { name: 'ledger', inbox: true, concurrency: 20, retry };
    bus.consume(Loose, options, ({ data }, ctx) =>
      ctx.transaction(({ tx }) => {
        void ctx.publish(Booked, data);
        tx.prepare('insert into bills (n) values (?)').run(data.n === 5 ? 2 : 1);
      }),
    );
    bus.consume(Booked, { name: 'reader' }, ({ data }) => void booked.push(data.n));
    await bus.start();
    await bus.publishMany(
      Loose,
      [...Array(20).keys()].map((n) => ({ n })),
    );
    await told.count('acked', 19 + 19);
    const [dead] = await told.count('dead', 1);

    assert.match(String(dead?.kind === 'dead' && dead.failure?.message), /FOREIGN KEY/);
    assert.equal((await told.count('retried', 2)).length, 2);
    const others = [...Array(20).keys()].filter((n) => n !== 5);
    assert.deepEqual(
      booked.toSorted((one, other) => one - other),
      others,
    );
  });

  test('a transaction that is not awaited decides its attempt, or goes with it', async () => {
    const place = placeIn(folder, shape);
    const told = listenTo(place.name);
    await using bus = place.make();
    const failures: string[] = [];
    bus.consume(Paid, { name: 'ledger', inbox: true, retry }, async ({ data }, ctx) => {
      void ctx.transaction(({ tx }) => {
        const what = `${data.n} in attempt ${ctx.attempt}`;
        tx.prepare('insert into effect (what) values (?)').run(what);
        if (data.n === 1 && ctx.attempt === 1) throw new Error('inside');
      });
      if (data.n === 2 && ctx.attempt === 1) throw new Error('outside');
    });
    await bus.start();
    for (const n of [1, 2]) await bus.publish(Paid, { n });
    await told.count('acked', 2);

    for (const one of await told.count('retried', 2)) {
      if (one.kind === 'retried') failures.push(one.failure.message);
    }
    assert.deepEqual(failures, ['inside', 'outside']);
    assert.deepEqual(place.effects(), ['1 in attempt 2', '2 in attempt 2']);
  });
});
