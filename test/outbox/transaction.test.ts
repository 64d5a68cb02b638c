/** `bus.transaction`: rows and messages in one commit, each function under its own savepoint. */
import assert from 'node:assert/strict';
import { createBus, message } from 'malote';
import { memory } from 'malote/memory';
import type { SqliteTransaction } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { codeOf } from '../runtime/support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
const Placed = message<{ n: number }>('order.placed', { orderBy: () => 'k' });
const Slow = message('slow', { schema: z.object({ n: z.number().refine(async () => true) }) });

function insert(tx: SqliteTransaction, n: number): void {
  tx.prepare('insert into orders values (?)').run(n);
}

function rows(db: { prepare(sql: string): { all(): unknown[] } }): unknown[] {
  return db.prepare('select n from orders order by n').all();
}

describe.each(['apart', 'together'] as const)('a transaction of the bus, files %s', (shape) => {
  test('stores its rows and its messages, and answers what the function does', async () => {
    const { name, db, make } = placeIn(folder, shape);
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
    await bus.start();

    const answers = await Promise.all(
      [1, 2, 3].map((n) =>
        bus.transaction(({ tx, publish }) => {
          insert(tx, n);
          return publish(Placed, { n }).id;
        }),
      ),
    );
    await told.count('acked', 3);

    assert.equal(new Set(answers).size, 3);
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(
      rows(db).map((row) => ({ ...(row as object) })),
      [{ n: 1 }, { n: 2 }, { n: 3 }],
    );
  });

  test('that throws leaves nothing, and those of the same commit go on', async () => {
    const { name, db, make } = placeIn(folder, shape);
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
    await bus.start();
    const add = (n: number, fails: boolean): Promise<void> =>
      bus.transaction(({ tx, publish }) => {
        insert(tx, n);
        publish(Placed, { n });
        if (fails) throw new RangeError(`not ${n}`);
      });

    const settled = await Promise.allSettled([
      add(1, false),
      add(2, true),
      add(3, false),
      add(3, false),
    ]);
    await told.count('acked', 2);

    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'rejected'],
    );
    assert.ok(settled[1]?.status === 'rejected' && settled[1].reason instanceof RangeError);
    assert.deepEqual(seen, [1, 3]);
    assert.equal(rows(db).length, 2);
  });

  test('that ends what it shares with others fails alone', async () => {
    const { db, make } = placeIn(folder, shape);
    await using bus = make();
    await bus.start();
    insert(db, 2);
    const sql = (text: string): Promise<void> =>
      bus.transaction(({ tx }) => void tx.prepare(text).run());

    const settled = await Promise.allSettled([
      sql('insert into orders values (1)'),
      sql('insert or rollback into orders values (2)'),
      sql('insert into orders values (3)'),
      sql('commit'),
      sql('-- done\n ROLLBACK'),
      bus.transaction(({ tx }) => void tx.exec('select 1; end')),
      bus.publish(Placed, { n: 9 }),
    ]);

    const codes = settled.map((one) => (one.status === 'rejected' ? one.reason.code : 'done'));
    const refused = ['OPTION_INVALID', 'OPTION_INVALID', 'OPTION_INVALID'];
    assert.deepEqual(codes, ['done', 'ENGINE_FAILED', 'done', ...refused, 'done']);
    assert.equal(rows(db).length, 3);
  });

  test('whose commit a constraint refuses fails alone, with the error of that', async () => {
    const { name, db, make } = placeIn(folder, shape);
    const told = listenTo(name);
    await using bus = make();
    bus.consume(Placed, { name: 'orders' }, () => {});
    await bus.start();
    for (let n = 0; n < 20; n++) insert(db, n);
    const bill = (n: number): Promise<void> =>
      bus.transaction(({ tx, publish }) => {
        tx.prepare('insert into bills (n) values (?)').run(n);
        publish(Placed, { n });
      });

    const publish = bus.publish(Placed, { n: 99 });
    const numbers = [...Array(20).keys()].map((n) => (n === 3 || n === 17 ? 100 + n : n));
    const settled = await Promise.allSettled(numbers.map(bill));
    await publish;

    const refused = settled.flatMap((one, at) => (one.status === 'rejected' ? [at] : []));
    assert.deepEqual(refused, [3, 17]);
    for (const at of refused) {
      const { reason } = settled[at] as PromiseRejectedResult;
      assert.match(String(reason), /FOREIGN KEY constraint failed/);
    }
    assert.equal(db.prepare('select n from bills').all().length, 18);
    await told.count('acked', 19);
  });

  test('of which all are refused by the commit are run in proportion to their number', async () => {
    const { make } = placeIn(folder, shape);
    await using bus = make();
    await bus.start();
    let runs = 0;
    const bill = (): Promise<void> =>
      bus.transaction(({ tx }) => {
        runs += 1;
        tx.prepare('insert into bills (n) values (7)').run();
      });
    const settled = await Promise.allSettled(Array.from({ length: 200 }, bill));

    assert.ok(settled.every(({ status }) => status === 'rejected'));
    assert.ok(runs < 200 * 10, `${runs} runs`);
  });
});

describe('a function in a transaction', () => {
  test('may not answer a promise, nor publish what only a promise can check', async () => {
    const { db, make } = placeIn(folder);
    await using bus = make();
    const late = async ({ tx }: { tx: SqliteTransaction }): Promise<void> => insert(tx, 1);
    assert.equal(await codeOf(bus.transaction(late as never)), 'OPTION_INVALID');
    const slow = bus.transaction(({ publish }) => publish(Slow, { n: 1 }));
    assert.equal(await codeOf(slow), 'OPTION_INVALID');
    assert.equal(await codeOf(bus.transaction('insert' as never)), 'OPTION_INVALID');
    assert.deepEqual(rows(db), []);
  });

  test('has its connection only until it returns, and no other publish takes it', async () => {
    const { make } = placeIn(folder);
    await using bus = make();
    const kept = await bus.transaction(({ tx }) => ({ tx, statement: tx.prepare('select 1') }));
    const code = { code: 'TRANSACTION_REQUIRED' };
    assert.throws(() => kept.tx.exec('select 1'), code);
    assert.throws(() => kept.statement.all(), code);

    let refused: Promise<unknown> = Promise.resolve();
    await bus.transaction(({ tx }) => {
      refused = bus.publish(Placed, { n: 1 }, { tx });
      refused.catch(() => {});
    });
    assert.equal(await codeOf(refused), 'TRANSACTION_REQUIRED');
  });

  test('needs a database', async () => {
    await using bus = createBus({ engine: memory(), ...quiet });
    assert.equal(await codeOf(bus.transaction(() => 1)), 'CAPABILITY_MISSING');
  });

  test('is refused with a full subscription, and leaves nothing', async () => {
    const { db, make } = placeIn(folder, 'together');
    await using bus = make();
    await bus.subscribe('orders', Placed, { maxDepth: 1 });
    const add = (n: number): Promise<void> =>
      bus.transaction(({ tx, publish }) => {
        insert(tx, n);
        publish(Placed, { n });
      });
    await add(1);
    assert.equal(await codeOf(add(2)), 'QUEUE_FULL');
    assert.equal(rows(db).length, 1);
  });
});
