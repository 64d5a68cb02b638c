/** Transactions on connections of better-sqlite3, the real package, at every door. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Bus, createBus, message } from 'malote';
import { memory } from 'malote/memory';
import { type BetterSqlite3Transaction, sqlite } from 'malote/sqlite';
import { describe, onTestFinished, test } from 'vitest';
import { codeOf } from '../runtime/support.ts';
import {
  anotherCopy,
  type BetterSqlite3Database,
  overBetterSqlite3,
} from '../support/better-sqlite3.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { bills, quiet } from './places.ts';

const folder = temporaryFolder();
const Placed = message<{ n: number }>('order.placed', { orderBy: () => 'k' });
const Booked = message<{ n: number }>('order.booked', { orderBy: () => 'k' });
const driver = 'better-sqlite3';
let places = 0;

overBetterSqlite3((Database) => {
  interface Place {
    readonly name: string;
    readonly file: string;
    /** A connection of the application. */
    readonly db: BetterSqlite3Database;
    make(): Bus<BetterSqlite3Transaction>;
    rows(): unknown[];
  }

  function place(shape: 'apart' | 'together' = 'together'): Place {
    places += 1;
    const name = `better-${places}`;
    const file = join(folder, `${name}.db`);
    const db = new Database(file);
    onTestFinished(() => void db.close());
    db.exec('create table orders (n integer primary key)');
    db.exec(bills);
    const store = (): ReturnType<typeof better> => better(file);
    const make = (): Bus<BetterSqlite3Transaction> =>
      shape === 'together'
        ? createBus({ engine: store(), name, ...quiet })
        : createBus({ engine: sqlite(`${file}-engine`), store: store(), name, ...quiet });
    const rows = (): unknown[] => {
      const all = db.prepare('select n from orders order by n').all() as { n: number }[];
      return all.map(({ n }) => n);
    };
    return { name, file, db, make, rows };
  }

  function better(file: string) {
    return sqlite(file, { driver });
  }

  describe.each(['together', 'apart'] as const)('files %s', (shape) => {
    test('a publish joins a transaction of the application', async () => {
      const { name, db, make, rows } = place(shape);
      const told = listenTo(name);
      await using bus = make();
      const seen: number[] = [];
      bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
      await bus.start();
      const order = (n: number): void => {
        db.prepare('insert into orders values (?)').run(n);
        void bus.publish(Placed, { n }, { tx: db });
      };

      assert.throws(
        db.transaction(() => {
          order(1);
          throw new Error('undone');
        }),
        /undone/,
      );
      for (const n of [2, 3]) db.transaction(() => order(n))();
      await told.count('acked', 2);

      assert.deepEqual(
        [seen, rows()],
        [
          [2, 3],
          [2, 3],
        ],
      );
    });

    test('transactions of the bus and of a delivery are given such a connection', async () => {
      const { name, make, rows } = place(shape);
      const told = listenTo(name);
      await using bus = make();
      const seen: number[] = [];
      bus.consume(Placed, { name: 'orders', inbox: true }, async ({ data }, ctx) => {
        await ctx.transaction(({ tx, publish }) => {
          tx.prepare('insert into orders values (?)').run(data.n + 10);
          publish(Booked, data);
        });
      });
      bus.consume(Booked, { name: 'books' }, ({ data }) => void seen.push(data.n));
      await bus.start();

      const insert = (n: number, fails: boolean): Promise<unknown> =>
        bus.transaction(({ tx, publish }) => {
          assert.ok(tx.inTransaction);
          tx.prepare('insert into orders values (?)').run(n);
          publish(Placed, { n });
          if (fails) throw new Error('undone');
          return tx.prepare('select count(*) as count from orders where n = ?1').get(n);
        });
      const answers = await Promise.allSettled([
        insert(1, false),
        insert(2, true),
        insert(3, false),
      ]);
      await told.count('acked', 4);

      assert.deepEqual(
        answers.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason))),
        [{ count: 1 }, 'Error: undone', { count: 1 }],
      );
      assert.deepEqual(
        [seen, rows()],
        [
          [1, 3],
          [1, 3, 11, 13],
        ],
      );
    });
  });

  test('a function whose commit a constraint refuses fails alone', async () => {
    const { make } = place();
    await using bus = make();
    await bus.subscribe('orders', Placed);
    await bus.start();
    const bill = (n: number): Promise<void> =>
      bus.transaction(({ tx }) => {
        tx.prepare('insert or ignore into orders values (1)').run();
        tx.prepare('insert into bills (n) values (?)').run(n);
      });
    const publish = bus.publish(Placed, { n: 1 });
    const codes = await Promise.all(
      [1, 2, 1, 1].map((n) => bill(n).then(String, ({ code }: { code: string }) => code)),
    );
    await publish;

    const refused = 'SQLITE_CONSTRAINT_FOREIGNKEY';
    assert.deepEqual(codes, ['undefined', refused, 'undefined', 'undefined']);
  });

  test('two processes of one file may each have a library of their own', async () => {
    const { name, file, make } = place();
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
    await bus.start();

    execFileSync(
      process.execPath,
      ['--conditions=malote-source', '--input-type=module', '-e', publisher, file],
      { cwd: import.meta.dirname },
    );
    await told.count('acked', 1);

    assert.deepEqual(seen, [7]);
  });

  describe('what is no connection of the library to the file is refused:', () => {
    const at = place;

    test.each([
      ['of node:sqlite', 'ENGINE_MISMATCH', (file: string) => new DatabaseSync(file)],
      ['of another copy', 'ENGINE_MISMATCH', (file: string) => new (anotherCopy())(file)],
      ['to another file', 'ENGINE_MISMATCH', (file: string) => new Database(`${file}-other`)],
      ['to memory', 'ENGINE_MISMATCH', () => new Database(':memory:')],
    ])('one %s', async (_, code, open) => {
      const { file, make } = at();
      await using bus = make();
      await bus.start();
      const tx = open(file);
      tx.exec('begin');
      assert.equal(await codeOf(bus.publish(Placed, { n: 1 }, { tx: tx as never })), code);
      tx.close();
    });

    test('one whose transaction is over, or that is closed', async () => {
      const { file, db, make } = at();
      await using bus = make();
      await bus.start();
      assert.equal(await codeOf(bus.publish(Placed, { n: 1 }, { tx: db })), 'TRANSACTION_REQUIRED');
      const closed = new Database(file);
      closed.exec('begin');
      await bus.publish(Placed, { n: 1 }, { tx: closed });
      closed.close();
      assert.equal(
        await codeOf(bus.publish(Placed, { n: 2 }, { tx: closed })),
        'TRANSACTION_REQUIRED',
      );
    });

    test('one of better-sqlite3, on a bus of node:sqlite', async () => {
      const { file, db } = at();
      await using bus = createBus({ engine: sqlite(`${file}-node`), ...quiet });
      await bus.start();
      db.exec('begin');
      const refused = bus.publish(Placed, { n: 1 }, { tx: db as never });
      await assert.rejects(refused, /one of better-sqlite3.*driver: "better-sqlite3"/);
      db.exec('rollback');
    });
  });

  test('one file is worked on by one library at a time in a process', async () => {
    const { file, make } = place();
    const first = make();
    await first.start();
    const second = createBus({ engine: sqlite(file), ...quiet });

    assert.equal(await codeOf(second.start()), 'ENGINE_MISMATCH');
    await first.stop();
    await second.start();
    assert.equal(await codeOf(make().start()), 'ENGINE_MISMATCH');
    await second.stop();
  });

  test('where the package is not installed it is asked for', () => {
    const { file } = place();
    const output = execFileSync(
      process.execPath,
      ['--conditions=malote-source', '--input-type=module', '-e', withoutPackage, file],
      { cwd: import.meta.dirname, encoding: 'utf8' },
    );
    assert.match(output, /^DRIVER_MISSING .*npm install better-sqlite3/);
  });

  test('an engine and a store on one file have to be of one library', async () => {
    const { file } = place();
    const bus = createBus({ engine: sqlite(file), store: better(file), ...quiet });
    assert.equal(await codeOf(bus.start()), 'ENGINE_MISMATCH');
    await bus.stop();
  });

  test('a store apart from an engine of another kind may be of it', async () => {
    const { name, file, db } = place();
    const told = listenTo(name);
    await using bus = createBus({ engine: memory(), store: better(file), name, ...quiet });
    const seen: number[] = [];
    bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
    await bus.start();
    db.transaction(() => void bus.publish(Placed, { n: 1 }, { tx: db }))();
    await told.count('acked', 1);

    assert.deepEqual(seen, [1]);
  });
});

const publisher = `
  import { createBus, message } from 'malote';
  import { sqlite } from 'malote/sqlite';
  const Placed = message('order.placed', { orderBy: () => 'k' });
  const bus = createBus({ engine: sqlite(process.argv[1]) });
  await bus.publish(Placed, { n: 7 });
  await bus.stop();`;

const withoutPackage = `
  import { registerHooks } from 'node:module';
  import { createBus } from 'malote';
  import { sqlite } from 'malote/sqlite';
  registerHooks({
    resolve(name, context, next) {
      if (name === 'better-sqlite3') throw new Error('not installed');
      return next(name, context);
    },
  });
  const engine = sqlite(process.argv[1], { driver: 'better-sqlite3' });
  const bus = createBus({ engine, logger: false });
  await bus.start().catch(({ code, message }) => console.log(code, message));`;
