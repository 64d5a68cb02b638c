/** The outbox through the public API: rows in one SQLite file, messages in another. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import {
  type Bus,
  createBus,
  dependency,
  type Engine,
  MaloteError,
  message,
  type TransitionEvent,
} from 'malote';
import { memory } from 'malote/memory';
import { sqlite, type SqliteTransaction } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { none, type Place, placeIn, quiet } from './places.ts';
import { listenTo } from '../support/transitions.ts';
import type { Queue } from '../../src/transport/transport.ts';
import { codeOf, codeThrown } from '../runtime/support.ts';

const folder = temporaryFolder();
const customer = dependency('customer');
const Placed = message<{ n: number; key: string }>('order.placed', { orderBy: ({ key }) => key });
const Note = message<{ n: number }>('note');
const Big = message<{ text: string }>('big');
const Waiting = message<{ id: string }>('waiting', { waitFor: ({ id }) => customer(id) });
const place = (): Place => placeIn(folder);

/** Writes the row and its message together. */
async function order(bus: Bus<SqliteTransaction>, db: DatabaseSync, n: number, key = 'k') {
  db.exec('begin immediate');
  db.prepare('insert into orders values (?)').run(n);
  const published = await bus.publish(Placed, { n, key }, { tx: db });
  db.exec('commit');
  return published;
}

type Forward = Queue['forward'];

/** An engine that answers a relay in its own way. */
function forwarding(
  inner: Engine,
  forward: (batch: Parameters<Forward>[0], queue: Queue) => ReturnType<Forward>,
): Engine {
  return {
    ...inner,
    async open(host) {
      const transport = await inner.open(host);
      const { queue } = transport;
      return { ...transport, queue: { ...queue, forward: (batch) => forward(batch, queue) } };
    },
  };
}

const tooLarge = new MaloteError('MESSAGE_TOO_LARGE', 'too much for the target');

function relayedIds(events: readonly TransitionEvent[]): string[] {
  return events.flatMap((event) => (event.kind === 'relayed' ? event.ids : []));
}

describe('a publish in a transaction on the store', () => {
  test('comes to the engine once that is committed, in order, with its id', async () => {
    const { name, db, make } = place();
    const told = listenTo(name);
    const seen: string[] = [];
    await using bus = make();
    bus.consume(Placed, { name: 'orders' }, ({ data, id }) => void seen.push(`${data.n} ${id}`));
    await bus.start();

    const ids: string[] = [];
    for (let n = 1; n <= 5; n++) ids.push(`${n} ${(await order(bus, db, n)).id}`);
    await told.count('acked', 5);
    await told.until((all) => relayedIds(all).length === 5);

    assert.deepEqual(seen, ids);
    assert.deepEqual(
      relayedIds(told.all),
      ids.map((one) => one.split(' ')[1]),
    );
    assert.deepEqual(await bus.outbox.stats(), { ...none, relayed: 5 });
  });

  test('is counted, with its age, also where no relay has ever been', async () => {
    const { make } = place();
    await using bus = make({ relay: false });
    const before = Date.now();
    await bus.transaction(({ publish }) => void publish(Placed, { n: 1, key: 'k' }));

    const { oldestAt, ...counts } = await bus.outbox.stats();

    assert.deepEqual(counts, { waiting: 1, dead: 0, relayed: 0, blockedKeys: [] });
    assert.ok(oldestAt !== null && oldestAt >= before - 1_000 && oldestAt <= Date.now() + 1_000);
    await using relay = make();
    await relay.start();
    while ((await bus.outbox.stats()).waiting > 0) await new Promise(setImmediate);
    assert.deepEqual(await bus.outbox.stats(), { ...none, relayed: 1 });
  });

  test('never exists when that is rolled back', async () => {
    const { name, db, make } = place();
    const told = listenTo(name);
    await using bus = make();
    bus.consume(Placed, { name: 'orders' }, () => {});
    await bus.start();

    db.exec('begin immediate');
    const { id } = await bus.publish(Placed, { n: 1, key: 'k' }, { tx: db });
    db.exec('rollback');
    const { id: second } = await order(bus, db, 2);
    await told.count('relayed', 1);

    assert.deepEqual(await bus.messages.get(id), []);
    assert.deepEqual(relayedIds(told.all), [second]);
  });

  test('keeps its headers, its facts, its delay and what it is recognised by', async () => {
    const { name, db, make } = place();
    const told = listenTo(name);
    await using bus = make();
    const user: unknown[] = [];
    bus.consume([Note, Waiting], { name: 'all' }, ({ headers }) => void user.push(headers));
    await bus.start();

    db.exec('begin immediate');
    const tx = { tx: db };
    const given = { ...tx, id: 'n', headers: { origin: 'here' } };
    await bus.publish(Note, { n: 1 }, given);
    const late = await bus.publish(Note, { n: 2 }, { ...tx, delay: '1h' });
    const parked = await bus.publish(Waiting, { id: 'c' }, tx);
    assert.deepEqual(await bus.publish(Note, { n: 1 }, given), { id: 'n', duplicate: true });
    db.exec('commit');
    await told.until((all) => relayedIds(all).length === 3);
    await told.count('acked', 1);

    assert.equal((await bus.messages.get(late.id))[0]?.state, 'scheduled');
    const [view] = await bus.messages.get(parked.id);
    assert.deepEqual(view?.waitingFor, ['customer:c']);
    assert.deepEqual(user, [{ origin: 'here' }]);
    assert.equal((await bus.publish(Note, { n: 1 }, { id: 'n' })).duplicate, true);
  });

  test('before anything was started is kept for the first relay', async () => {
    const { name, db, make } = place();
    const told = listenTo(name);
    await using publisher = make({ relay: false });
    // The file gets its tables before a transaction of the caller holds its lock.
    await publisher.outbox.stats();
    for (let n = 1; n <= 3; n++) await order(publisher, db, n);
    const seen: number[] = [];
    await using worker = make();
    worker.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));

    await worker.start();
    await told.count('acked', 3);

    assert.deepEqual(seen, [1, 2, 3]);
  });

  test('is relayed by a process of its own, and by none that says no', async () => {
    const { name, db, make } = place();
    const told = listenTo(name);
    await using app = make({ relay: false });
    app.consume(Placed, { name: 'orders' }, () => {});
    await app.start();
    await order(app, db, 1);
    assert.equal((await app.outbox.stats()).waiting, 1);

    await using relay = make();
    await relay.start();
    await told.count('relayed', 1);

    assert.equal((await app.outbox.stats()).waiting, 0);
  });
});

describe('the relay', () => {
  test('lets a key without room rest, its order kept, while others go on', async () => {
    const { name, db, engine, make } = place();
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    await bus.subscribe('orders', Placed, { maxDepth: 2 });
    await bus.start();
    db.exec('begin immediate');
    for (let n = 1; n <= 6; n++) await bus.publish(Placed, { n, key: 'k' }, { tx: db });
    const other = await bus.publish(Note, { n: 7 }, { tx: db });
    db.exec('commit');
    await told.until((all) => relayedIds(all).includes(other.id));
    assert.equal((await bus.outbox.stats()).waiting, 4);

    await using worker = createBus({ engine: sqlite(engine), name, ...quiet });
    worker.consume(Placed, { name: 'orders', maxDepth: 2 }, ({ data }) => void seen.push(data.n));
    await worker.start();
    await told.count('acked', 6);

    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6]);
  });

  test('buries what its target refuses for good, and goes on behind it', async () => {
    const { name, db, store } = place();
    const told = listenTo(name);
    const target = forwarding(memory(), async (batch, queue) => {
      const outcomes = await queue.forward(batch.filter(({ topic }) => topic !== Big.name));
      const left = [...outcomes];
      return batch.map(({ topic }) =>
        topic === Big.name ? { kind: 'refused', error: tooLarge } : left.shift()!,
      );
    });
    await using bus = createBus({ engine: target, store: sqlite(store), name, ...quiet });
    bus.consume(Placed, { name: 'orders' }, () => {});
    await bus.start();

    db.exec('begin immediate');
    const tx = { tx: db, orderKey: 'k' };
    await bus.publish(Placed, { n: 1, key: 'k' }, tx);
    const big = await bus.publish(Big, { text: 'much' }, tx);
    await bus.publish(Placed, { n: 2, key: 'k' }, tx);
    db.exec('commit');
    await told.count('acked', 2);
    await told.count('dead', 1);

    const { items } = await bus.outbox.dead.list();
    assert.deepEqual(
      items.map(({ id, topic, reason, lastFailure }) => [id, topic, reason, lastFailure?.name]),
      [[big.id, Big.name, 'refused-by-target', 'MESSAGE_TOO_LARGE']],
    );
    assert.deepEqual(await bus.outbox.dead.get(big.id), items);
    const again = told.count('dead', 2);
    assert.deepEqual(await bus.outbox.dead.redrive(big.id), { redriven: 1 });
    await again;
  });

  test('gives everything back while its target does not answer', async () => {
    const { name, db, store } = place();
    const told = listenTo(name);
    let failures = 2;
    const target = forwarding(memory(), async (batch, queue) => {
      if (failures === 0) return await queue.forward(batch);
      failures -= 1;
      throw new MaloteError('ENGINE_BUSY', 'not now');
    });
    await using bus = createBus({ engine: target, store: sqlite(store), name, ...quiet });
    const seen: number[] = [];
    bus.consume(Placed, { name: 'orders' }, ({ data }) => void seen.push(data.n));
    await bus.start();

    for (let n = 1; n <= 3; n++) await order(bus, db, n);
    await told.count('acked', 3);

    assert.deepEqual(seen, [1, 2, 3]);
    const troubles = told.all.filter(({ kind }) => kind === 'engine-trouble');
    assert.equal(troubles.length, 2);
    const [, dead] = await Promise.all([bus.outbox.stats(), bus.outbox.dead.list()]);
    assert.deepEqual(dead.items, []);
  });
});

describe('a transaction', () => {
  test('on the engine is refused where there is a store', async () => {
    const { engine, make } = place();
    await using bus = make();
    await bus.start();
    const tx = new DatabaseSync(engine);
    tx.exec('begin');
    assert.equal(await codeOf(bus.publish(Note, { n: 1 }, { tx })), 'ENGINE_MISMATCH');
    tx.close();
  });

  test.each([
    ['null', null],
    ['a number', 5],
    ['text', 'abc'],
    ['true', true],
    ['a function', () => {}],
    ['an empty object', {}],
    ['a client of pg', { query: async () => ({ rows: [] }), release() {} }],
    ['half a connection', { isTransaction: true, exec() {} }],
  ])('that is %s is refused by name', async (_, tx) => {
    const { make } = place();
    await using bus = make();
    await bus.start();
    await assert.rejects(bus.publish(Note, { n: 1 }, { tx: tx as never }), {
      code: 'OPTION_INVALID',
      message:
        /^publish: tx must be a DatabaseSync of node:sqlite on the sqlite file ".*", in a tr/,
    });
  });

  test('that is refused leaves the id with which it can be published again', async () => {
    const { make } = place();
    await using bus = make();
    await bus.start();
    const options = { id: 'chosen', tx: null as never };
    const error = await bus.publish(Note, { n: 1 }, options).catch((refused: unknown) => refused);
    assert.equal((error as MaloteError).id, 'chosen');
  });

  test('that is over is refused', async () => {
    const { db, make } = place();
    await using bus = make();
    await bus.start();
    assert.equal(await codeOf(bus.publish(Note, { n: 1 }, { tx: db })), 'TRANSACTION_REQUIRED');
  });

  test('that a publish forgets is told, once for each type', async () => {
    const { name, db, make } = place();
    const told = listenTo(name);
    await using bus = make();
    await bus.start();
    await bus.publish(Note, { n: 1 });
    await order(bus, db, 1);
    await bus.publish(Note, { n: 2 });
    const forgotten = (): string[] =>
      told.all.flatMap((event) => (event.kind === 'transaction-forgotten' ? [event.type] : []));
    assert.deepEqual(forgotten(), []);

    db.exec('begin immediate');
    const late = [bus.publish(Note, { n: 3 }), bus.publish(Note, { n: 4 })];
    db.exec('commit');
    await bus.transaction(() => void late.push(bus.publish(Placed, { n: 5, key: 'k' })));
    await Promise.all(late);

    assert.deepEqual(forgotten(), [Note.name, Placed.name]);
  });

  test('goes straight to the engine where the store is the engine', async () => {
    const { store, db } = place();
    const options = { engine: sqlite(store), store: sqlite(store), ...quiet };
    await using bus = createBus(options);
    await bus.start();
    db.exec('begin immediate');
    const { id } = await bus.publish(Note, { n: 1 }, { tx: db });
    db.exec('commit');
    assert.equal((await bus.messages.get(id)).length, 1);
    assert.equal(await codeOf(bus.outbox.stats()), 'CAPABILITY_MISSING');
  });

  test('needs a store that has them', () => {
    const make = () => createBus({ engine: memory(), store: memory(), ...quiet });
    assert.equal(codeThrown(make), 'CAPABILITY_MISSING');
  });
});
