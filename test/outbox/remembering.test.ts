/** Keys of messages on an engine that remembers none, beside a store that does. */
import assert from 'node:assert/strict';
import { createBus, message } from 'malote';
import { memory } from 'malote/memory';
import { sqlite } from 'malote/sqlite';
import { describe, test } from 'vitest';
import { codeOf, codeThrown } from '../runtime/support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { listenTo } from '../support/transitions.ts';
import { placeIn, quiet } from './places.ts';

const folder = temporaryFolder();
interface Payment {
  readonly paymentId: string;
  readonly n: number;
}
const Requested = message<Payment>('payment.requested', {
  orderBy: () => 'customer',
  dedupe: ({ paymentId }) => paymentId,
});
const Note = message<{ n: number }>('note', { orderBy: () => 'customer' });

function brokerBeside() {
  const { name, store, db } = placeIn(folder);
  const engine = memory({ shape: 'partitions', partitions: 2 });
  const make = () => createBus({ engine, store: sqlite(store), name, ...quiet });
  return { name, engine, make, db };
}

describe('beside a store, a broker', () => {
  test('stores a repeated key once, and tells who repeats it the id of the first', async () => {
    const { name, make } = brokerBeside();
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    bus.consume(Requested, { name: 'ledger' }, ({ data }) => void seen.push(data.n));
    await bus.start();

    const first = await bus.publish(Requested, { paymentId: '1', n: 1 });
    const again = await bus.publish(Requested, { paymentId: '1', n: 2 });
    const other = await bus.publish(Requested, { paymentId: '2', n: 3 });
    await told.count('acked', 2);

    assert.deepEqual(again, { id: first.id, duplicate: true });
    assert.deepEqual([first.duplicate, other.duplicate], [false, false]);
    assert.deepEqual(seen, [1, 3]);
    assert.equal((await told.count('duplicate', 1)).length, 1);
  });

  test('knows ids and keys given with the call, also of another process, and later', async () => {
    const { name, make } = brokerBeside();
    const told = listenTo(name);
    const seen: number[] = [];
    {
      await using publisher = make();
      await publisher.publish(Note, { n: 1 }, { id: 'mine' });
      await publisher.publish(Note, { n: 2 }, { dedupe: 'key' });
    }
    await using bus = make();
    bus.consume(Note, { name: 'notes' }, ({ data }) => void seen.push(data.n));
    await bus.start();
    await told.count('acked', 2);

    const answers = [
      await bus.publish(Note, { n: 3 }, { id: 'mine' }),
      await bus.publish(Note, { n: 4 }, { dedupe: 'key' }),
    ];
    await bus.publish(Note, { n: 5 }, { id: 'another' });
    await told.count('acked', 3);

    assert.deepEqual(
      answers.map(({ duplicate }) => duplicate),
      [true, true],
    );
    assert.equal(answers[0]!.id, 'mine');
    assert.deepEqual(seen, [1, 2, 5]);
  });

  test('answers each of many published at once, whichever way it goes', async () => {
    const { name, make } = brokerBeside();
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    const types = [Requested, Note] as const;
    bus.consume(types, { name: 'all' }, ({ data }) => void seen.push(data.n));
    await bus.start();

    const answers = await Promise.all([
      bus.publish(Note, { n: 1 }),
      bus.publish(Requested, { paymentId: 'a', n: 2 }),
      bus.publish(Note, { n: 3 }),
      bus.publish(Requested, { paymentId: 'a', n: 4 }),
      bus.publish(Requested, { paymentId: 'b', n: 5 }),
    ]);
    await told.count('acked', 4);

    assert.deepEqual(
      answers.map(({ duplicate }) => duplicate),
      [false, false, false, true, false],
    );
    assert.equal(answers[3].id, answers[1].id);
    const of = (...numbers: number[]): number[] => seen.filter((n) => numbers.includes(n));
    assert.deepEqual(
      [of(1, 3), of(2, 4, 5)],
      [
        [1, 3],
        [2, 5],
      ],
    );
  });

  test('stores what handlers stage under one key once, and acks their lane in order', async () => {
    const { name, make } = brokerBeside();
    const told = listenTo(name);
    await using bus = make();
    const paid: number[] = [];
    bus.consume(Note, { name: 'notes' }, async ({ data: { n } }, ctx) => {
      if (n % 2 === 1) await ctx.publish(Requested, { paymentId: 'same', n });
    });
    bus.consume(Requested, { name: 'ledger' }, ({ data }) => void paid.push(data.n));
    await bus.start();

    const items = Array.from({ length: 20 }, (_, index) => ({ n: index + 1 }));
    await bus.publishMany(Note, items);
    await told.until(
      (all) =>
        all.filter((one) => one.kind === 'acked' && one.subscription === 'notes').length === 20,
    );
    await told.until((all) => all.some(({ kind }) => kind === 'relayed'));
    await told.count('acked', 21);

    assert.deepEqual(paid, [1]);
    assert.equal(told.all.filter(({ kind }) => kind === 'lease-lost').length, 0);
    assert.deepEqual(await bus.outbox.stats().then(({ waiting, dead }) => [waiting, dead]), [0, 0]);
  });

  test('joins a key to the transaction that it is published in', async () => {
    const { name, make, db } = brokerBeside();
    const told = listenTo(name);
    await using bus = make();
    const seen: number[] = [];
    bus.consume(Requested, { name: 'ledger' }, ({ data }) => void seen.push(data.n));
    await bus.start();

    const publish = async (n: number, end: 'commit' | 'rollback'): Promise<boolean> => {
      db.exec('begin immediate');
      const { duplicate } = await bus.publish(Requested, { paymentId: 'a', n }, { tx: db });
      db.exec(end);
      return duplicate;
    };
    const duplicates = [
      await publish(1, 'rollback'),
      await publish(2, 'commit'),
      await publish(3, 'commit'),
    ];
    await told.count('acked', 1);

    assert.deepEqual(duplicates, [false, false, true]);
    assert.deepEqual(seen, [2]);
  });
});

test('without a store, a key is refused where a consumer names it and where it is published', async () => {
  await using bus = createBus({ engine: memory({ shape: 'partitions' }), ...quiet });
  const consume = (): void => bus.consume(Requested, { name: 'ledger' }, () => {});
  const published = bus.publish(Requested, { paymentId: '1', n: 1 });

  assert.equal(codeThrown(consume), 'CAPABILITY_MISSING');
  assert.equal(await codeOf(published), 'CAPABILITY_MISSING');
});
